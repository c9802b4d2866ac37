"""Belts: rows on their way from one step to the next, so many at most.

`asyncio.Queue` does the same in twice the time, which every row of every step would feel: here a taker who waits is handed
the row itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Belt(Generic[T]):
    """First in, first out; for one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: deque[T] = deque()
        self._takers: deque[asyncio.Future[T]] = deque()
        self._givers: deque[asyncio.Future[None]] = deque()

    async def put(self, item: T) -> None:
        """Wait until there is room, and put it there."""
        while len(self._items) >= self._most:
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._givers.append(room)
            await room
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                taker.set_result(item)
                # Whoever waited for room need not wait for this taker: there is room, and may never be less.
                self._next_giver()
                return
        self._items.append(item)

    async def get(self) -> T:
        """The next one; a taker who is cancelled when it has been handed over has lost it, so cancel none before the end."""
        if not self._items:
            taker: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            self._takers.append(taker)
            return await taker
        item = self._items.popleft()
        self._next_giver()
        return item

    def _next_giver(self) -> None:
        while self._givers:
            giver = self._givers.popleft()
            if not giver.done():
                giver.set_result(None)
                return
