"""Digests of files: what is in them, never where they are or when they were written."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

#: Size, times and place of a file.
State: TypeAlias = tuple[int, ...]
#: A file that was touched less than this long ago may be touched again within the same tick of its clock.
SETTLED_NS = 2_000_000_000
#: From this size on, in bytes, a digest outlives the process: weights of many gigabytes are read once, not by every command.
LARGE = 64 * 1024**2


def content_digest(path: Path) -> str:
    """SHA-256 of a file; read again only where the file may have changed."""
    state = settled_state(path)
    return _digest(path) if state is None else _remembered(str(path.resolve()), state)


def settled_state(path: Path) -> State | None:
    """What tells a file from what it was before it changed; None while a change might leave no trace there."""
    stat = path.stat()
    if time.time_ns() - stat.st_ctime_ns < SETTLED_NS:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


@lru_cache(maxsize=4096)
def _remembered(path: str, state: State) -> str:
    if state[0] < LARGE:
        return _digest(Path(path))
    note = _notes() / hashlib.sha256(repr((path, state)).encode()).hexdigest()
    with contextlib.suppress(OSError):
        found = note.read_text(encoding="ascii")
        if len(found) == 64:
            return found
    digest = _digest(Path(path))
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time alone
        _write(note, digest)
    return digest


def _notes() -> Path:
    """The user's own cache folder, by the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "constitutional" / "digests"


def _write(note: Path, digest: str) -> None:
    """All of it or nothing, whoever else writes."""
    note.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=note.parent)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(digest)
    Path(name).replace(note)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
