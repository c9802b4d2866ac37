"""What a model has on disk, brought to the nodes that serve it: once a node, and gone when nobody there needs it.

Files are read from home into Ray's object store when the model is opened, and lie there until it is closed; a replica
that starts on a node unpacks them beside those of others, or uses what another has unpacked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from constitutional.api import BackendParams, Wrapped, digest
from constitutional_ray import mirror, parcel
from constitutional_ray.streams import ChunkReader, ChunkWriter

DONE = "done"
USERS = "users"


@dataclass(frozen=True, slots=True)
class Baggage:
    """References to the parts of one stream, with what is in it."""

    #: Of names, sizes and times: the same files are unpacked once.
    mark: str
    names: parcel.Names
    chunks: Sequence[Any]


def paths_of(params: BackendParams, weights: str | None) -> Mapping[str, str]:
    """Parameters that name something on this machine's disk, and what they name."""
    found = {}
    for field in type(params).model_fields:
        value = getattr(params, field)
        if (isinstance(value, Path) or (value == weights and str(value).startswith("/"))) and Path(value).exists():
            found[field] = str(value)
    return found


def packed(of: Wrapped) -> Baggage | None:
    """All that the model's parameters name on disk, in Ray's object store; None where that is nothing."""
    import ray

    wanted = list(paths_of(of.params, of.cls.weights(of.params)).values())
    wanted += [base for path in wanted if (base := parcel.base_of(Path(path))) is not None]
    names = {path: f"in/{number}/{Path(path).name}" for number, path in enumerate(dict.fromkeys(wanted))}
    if not names:
        return None
    writer = ChunkWriter(ray.put)
    parcel.pack(names, writer)  # type: ignore[arg-type]
    return Baggage(digest([[path, _stamps(Path(path))] for path in names])[:32], names, writer.finish())


def _stamps(path: Path) -> Any:
    if path.is_dir():
        return sorted([name, *stamp] for name, stamp in mirror.stamps(path).items())
    return [path.stat().st_mtime_ns, path.stat().st_size]


class Unpacked:
    """Baggage on a node, and this process's use of it."""

    def __init__(self, baggage: Baggage, scratch: str | None) -> None:
        self._baggage = baggage
        self._folder = Path(scratch or tempfile.gettempdir()) / f"constitutional-ray-{os.getuid()}" / baggage.mark

    def take(self) -> None:
        """Have the files there; waits where another replica on this node unpacks them already."""
        import ray

        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._locked():
            if not (self._folder / DONE).exists():
                shutil.rmtree(self._folder / "in", ignore_errors=True)
                parcel.unpack(ChunkReader(ray.get(chunk) for chunk in self._baggage.chunks), self._folder)  # type: ignore[arg-type]
                parcel.settle_adapters(self._folder, self._here())
                (self._folder / DONE).touch()
            (self._folder / USERS).mkdir(exist_ok=True)
            (self._folder / USERS / str(os.getpid())).touch()

    def leave(self) -> None:
        """Delete the files where no other process uses them."""
        with contextlib.suppress(OSError), self._locked():
            (self._folder / USERS / str(os.getpid())).unlink(missing_ok=True)
            if not any(_alive(int(user.name)) for user in (self._folder / USERS).iterdir()):
                shutil.rmtree(self._folder)

    def of(self, wrapped: Wrapped) -> Wrapped:
        """The model with the paths of this node."""
        here = self._here()
        named = {field: getattr(wrapped.params, field) for field in type(wrapped.params).model_fields}
        moved = {field: type(value)(here[str(value)]) for field, value in named.items()
                 if isinstance(value, (str, Path)) and str(value) in here}  # fmt: skip
        return replace(wrapped, params=wrapped.params.model_copy(update=moved))

    def _here(self) -> dict[str, str]:
        return {path: str(self._folder / inside) for path, inside in self._baggage.names.items()}

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
