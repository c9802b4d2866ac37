"""The constitution's file -> Constitution.  (Skeleton; the reader follows.)"""

from __future__ import annotations

from pathlib import Path

from constitutional.constitution.model import Constitution


def read_constitution(path: Path | str) -> Constitution:
    """Read a constitution.

    Raises:
        SpecError: with every mistake found.
    """
    raise NotImplementedError
