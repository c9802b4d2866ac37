"""This machine: a process a stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from constitutional.api import Executor


class LocalExecutor(Executor):
    """Run each whole stage in a process of its own on this machine, one at a time."""

    name = "local"

    async def run_whole(self, job: Path, start: Callable[[Path], Awaitable[int]]) -> int:
        return await start(job)
