"""Digests of files: what is in them, never where they are or when they were written."""

from __future__ import annotations

import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path

#: A file that was touched less than this long ago may be touched again within the same tick of its clock.
SETTLED_NS = 2_000_000_000


def content_digest(path: Path) -> str:
    """SHA-256 of a file; read again only where the file may have changed."""
    stat = path.stat()
    if time.time_ns() - stat.st_ctime_ns < SETTLED_NS:
        return _digest(path)
    return _remembered(str(path), _state(stat))


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev


@lru_cache(maxsize=4096)
def _remembered(path: str, state: tuple[int, ...]) -> str:
    return _digest(Path(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
