"""Limits on a chat template: it is a program that came with a model."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

MOST_SECONDS = 2.0
#: How much the process may grow meanwhile.
MOST_GROWTH = 256 * 1024**2

_UNIT = 1 if sys.platform == "darwin" else 1024


@contextmanager
def limited(seconds: float = MOST_SECONDS, growth: int = MOST_GROWTH) -> Iterator[None]:
    """Stop Python code of this thread that takes too long or too much memory, at its next line.

    Raises:
        TimeoutError: if the time is up.
        MemoryError: if the process has grown too much.
    """
    # The time of this thread alone: a busy machine is not the template's fault.
    end = time.thread_time() + seconds
    most = _peak() + growth

    def watch(frame: Any, event: str, argument: Any) -> Any:
        if time.thread_time() > end:
            raise TimeoutError(f"it takes longer than {seconds:g} seconds")
        if _peak() > most:
            raise MemoryError(f"it takes more than {growth // 1024**2} MiB")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT
