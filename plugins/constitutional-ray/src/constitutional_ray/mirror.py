"""Mirrors: what a job writes on a node, brought home while it runs, so that a lost node takes no checkpoint with it.

A file travels when it has not changed between two looks.  Files go in the order of their last change and what has been
deleted is deleted after that: at home a checkpoint is whole when it was whole on the node, as after a crash there.
"""

from __future__ import annotations

import contextlib
import json
import tarfile
import time
from pathlib import Path
from typing import IO

#: Between two looks at one file.
LOOK_SECONDS = 1.0
#: What travels by itself, or not at all.
NOT_MIRRORED = frozenset({"job.json", "log.txt", "progress.jsonl", "outcome.json", "outcome.json.tmp", "rows",
                          "arriving.tar"})  # fmt: skip

Stamp = tuple[int, int]


class Mirror:
    """Knows which files of a job have been brought home."""

    def __init__(self, job: Path, seconds: float) -> None:
        self._job = job
        self._seconds = seconds
        self._sent = self._seen = stamps(job)
        self._looked = self._last = time.monotonic()

    def changed(self, last: bool = False) -> list[str]:
        """Names to bring home now; none before it is time.  At the `last` look nothing writes any more."""
        now = time.monotonic()
        if not last and now - self._looked < LOOK_SECONDS:
            return []
        before, self._seen, self._looked = self._seen, stamps(self._job), now
        if not last and now - self._last < self._seconds:
            return []
        ready = {name: stamp for name, stamp in self._seen.items() if last or before.get(name) == stamp}
        new = [name for name, stamp in ready.items() if self._sent.get(name) != stamp]
        if not new and self._sent.keys() <= self._seen.keys():
            return []
        self._last = now
        self._sent = {name: stamp for name, stamp in {**self._sent, **ready}.items() if name in self._seen}
        return sorted(new, key=lambda name: self._seen[name])

    def present(self) -> list[str]:
        """Names of all files that there are."""
        return list(self._seen)


def stamps(job: Path) -> dict[str, Stamp]:
    """Time of the last change and size of each file that is mirrored."""
    found = {}
    for path in job.rglob("*"):
        name = path.relative_to(job)
        with contextlib.suppress(OSError):
            if name.parts[0] not in NOT_MIRRORED and path.is_file():
                said = path.stat()
                found[str(name)] = (said.st_mtime_ns, said.st_size)
    return found


def pack_files(job: Path, names: list[str], to: IO[bytes]) -> None:
    """Write these files as one stream; one that has gone meanwhile is left out."""
    with tarfile.open(fileobj=to, mode="w|", dereference=True) as tar:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                tar.add(job / name, arcname=name)


def settle_files(job: Path, arrived: IO[bytes], present: list[str]) -> None:
    """Lay the files of a stream out at home, and delete what is not on the node any more."""
    with tarfile.open(fileobj=arrived, mode="r|") as tar:
        tar.extractall(job, filter="data")
    for name in set(stamps(job)) - set(present):
        (job / name).unlink(missing_ok=True)
    for folder in sorted((path for path in job.rglob("*") if path.is_dir()), reverse=True):
        if folder.relative_to(job).parts[0] not in NOT_MIRRORED:
            with contextlib.suppress(OSError):
                folder.rmdir()


def said(names: list[str]) -> bytes:
    return json.dumps(names).encode()


def heard(names: bytes) -> list[str]:
    found = json.loads(names)
    assert isinstance(found, list)
    return found
