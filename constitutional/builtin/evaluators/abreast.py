"""Many rows abreast, but not all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Rows in flight: enough to fill the batches of several models, and few enough to hold in memory.
ABREAST = 256


async def abreast(items: Sequence[Item], work: Callable[[Item], Awaitable[Result]],
                  done: Callable[[int], None] = lambda count: None, most: int = ABREAST) -> list[Result]:  # fmt: skip
    """`work` on every item, at most `most` at a time; results in the order of the items.

    The first exception ends the rest and is raised.
    """
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for index, item in waiting:
            results[index] = await work(item)
            done(len(results))

    workers = [asyncio.create_task(worker()) for _ in range(min(most, len(items)))]
    try:
        await asyncio.gather(*workers)
    except BaseException:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        raise
    return [results[index] for index in range(len(items))]
