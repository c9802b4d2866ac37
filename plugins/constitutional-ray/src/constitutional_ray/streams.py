"""Large streams as chunks: what fits no memory goes through the object store piece by piece."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHUNK = 32 * 1024 * 1024


class ChunkWriter(io.RawIOBase):
    """Hands what is written on in chunks."""

    def __init__(self, put: Callable[[bytes], Any]) -> None:
        self.put: list[Any] = []
        self._put = put
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._buffer += data
        while len(self._buffer) >= CHUNK:
            self._pass_on(CHUNK)
        return len(data)

    def finish(self) -> list[Any]:
        """Hand the rest on, and return what became of each chunk."""
        if self._buffer:
            self._pass_on(len(self._buffer))
        return self.put

    def _pass_on(self, size: int) -> None:
        self.put.append(self._put(bytes(self._buffer[:size])))
        del self._buffer[:size]


class ChunkReader(io.RawIOBase):
    """Reads chunks one after another, and holds one at a time."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            try:
                self._left = next(self._chunks)
            except StopIteration:
                return 0
        taken = self._left[: len(buffer)]
        self._left = self._left[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)


def chunks_of(path: Path) -> Iterator[bytes]:
    """A file in chunks."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
