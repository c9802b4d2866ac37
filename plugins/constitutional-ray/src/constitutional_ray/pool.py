"""The pool: who of several replicas answers what.  Knows nothing of Ray, so it is tested without.

A batch goes to the replica with the fewest requests in flight.  A replica that dies gives back what it had, which goes
to others, and is started anew.  A request that was lost again and again, alone in its batch, is taken for the cause and
comes back unanswered: one bad row never sinks its neighbours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from constitutional.api import RunError, Unanswered

PAUSE_SECONDS = 1.0


class Lost(Exception):
    """A replica is gone, with everything that it was working on."""


class Replica(Protocol):
    """One running copy of a model."""

    async def open(self) -> None:
        """Load the model.  Raises `Lost`, or what the backend raises."""

    async def ask(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Answer a batch.  Raises `Lost`, or what the backend raises."""

    async def gone(self) -> None:
        """Return when the replica has died."""

    async def close(self) -> None:
        """Free what it holds, dead or alive."""


@dataclass(slots=True)
class Slot:
    """The place of one replica, whichever lives there now."""

    index: int
    replica: Replica | None = None
    batches: int = 0
    requests: int = 0
    #: Deaths since the last answered batch.
    deaths: int = 0
    over: bool = False
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Pool:
    """Replicas that are started, watched and asked."""

    def __init__(self, start: Callable[[int], Replica], size: int, *, ahead: int = 2, tries: int = 4,
                 restarts: int = 3, open_seconds: float = 1800.0, pause: float = PAUSE_SECONDS,
                 notice: Callable[[str], None] = lambda said: None) -> None:  # fmt: skip
        self._notice = notice
        self._start = start
        self._ahead = ahead
        self._tries = tries
        self._restarts = restarts
        self._open_seconds = open_seconds
        self._pause = pause
        self._slots = [Slot(index) for index in range(size)]
        self._keepers: list[asyncio.Task[None]] = []
        self._changed = asyncio.Condition()
        self._entering = 0
        self._error: Exception | None = None
        self.restarted = 0
        self.resent = 0

    async def open(self) -> None:
        """Start all replicas; return when the first can be asked, while the others still load."""
        self._keepers = [asyncio.create_task(self._keep(slot)) for slot in self._slots]
        slot = await self._pick(0)
        await self._release(slot, 0)

    async def ask(self, batch: Sequence[Any]) -> list[Any]:
        """Answers in order; what no replica could survive is `Unanswered`."""
        answers = await asyncio.gather(*[self._answer(piece) for piece in await self._pieces(batch)])
        return [answer for part in answers for answer in part]

    async def close(self) -> None:
        """Free all replicas."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers = []

    # -- asking ------------------------------------------------------------------------------------------------------

    async def _pieces(self, batch: Sequence[Any]) -> list[Sequence[Any]]:
        """The batch, cut so that replicas with nothing to do get a share each."""
        self._entering += 1
        for _ in range(3):
            await asyncio.sleep(0)  # others may be about to enter, and then want their share of the idle
        idle = sum(slot.replica is not None and not slot.batches for slot in self._slots)
        parts = max(1, min(len(batch), idle // self._entering))
        self._entering -= 1
        size = -(-len(batch) // parts)
        return [batch[at : at + size] for at in range(0, len(batch), size)]

    async def _answer(self, batch: Sequence[Any], losses: int = 0) -> list[Any]:
        while losses < self._tries:
            slot = await self._pick(len(batch))
            replica = slot.replica
            assert replica is not None
            try:
                answers = list(await replica.ask(batch))
            except Lost as error:
                losses, reason = losses + 1, str(error)
                self.resent += len(batch)
                self._bury(slot, replica)
            else:
                slot.deaths = 0
                return answers
            finally:
                await self._release(slot, len(batch))
        if len(batch) == 1:
            return [Unanswered("replica-lost", f"{losses} replicas died while they answered this; the last: {reason}")]
        middle = len(batch) // 2
        # One half after the other, so that the bad row takes no more replicas with it than it must.
        halves = [await self._answer(half, self._tries - 1) for half in (batch[:middle], batch[middle:])]
        return [answer for half in halves for answer in half]

    async def _pick(self, requests: int) -> Slot:
        """The living replica with the least to do, when there is one that takes more."""
        async with self._changed:
            while True:
                free = [s for s in self._slots if s.replica is not None and s.batches < self._ahead]
                if free:
                    slot = min(free, key=lambda slot: (slot.requests, slot.batches))
                    slot.batches += 1
                    slot.requests += requests
                    return slot
                if all(slot.over for slot in self._slots):
                    raise self._error or RunError("no replica is left", help="see the logs of the cluster")
                await self._changed.wait()

    async def _release(self, slot: Slot, requests: int) -> None:
        slot.batches -= 1
        slot.requests -= requests
        await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    # -- keeping -----------------------------------------------------------------------------------------------------

    async def _keep(self, slot: Slot) -> None:
        """Have a replica in this place, and a new one when it dies, until it dies too often to be worth it."""
        try:
            while slot.deaths <= self._restarts:
                why = await self._live_once(slot)
                slot.deaths += 1
                self.restarted += 1
                self._notice(
                    f"replica {slot.index + 1} is lost ({why}); another takes its place and is asked what it left"
                )
                await asyncio.sleep(self._pause)
            self._error = RunError(f"replica {slot.index + 1} died {slot.deaths} times without an answer between",
                                   help="see the logs of the cluster; a batch may need more memory than there is")  # fmt: skip
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001  (what a backend raises on opening is told where no replica is left)
            self._error = error
        slot.over = True
        await self._tell()

    async def _live_once(self, slot: Slot) -> str:
        """One replica's life, from its start to its death; returns what it died of."""
        replica = self._start(slot.index)
        slot.lost.clear()
        try:
            async with asyncio.timeout(self._open_seconds):  # `wait_for` may swallow a cancellation here
                await replica.open()
            slot.replica = replica
            await self._tell()
            await _first(replica.gone(), slot.lost.wait())
        except Lost as error:
            return str(error)
        except TimeoutError:
            return f"not ready after {self._open_seconds:g} s"
        else:
            return "died"
        finally:
            slot.replica = None
            await replica.close()

    def _bury(self, slot: Slot, replica: Replica) -> None:
        """Take a replica out of its place; its keeper starts another."""
        if slot.replica is replica:
            slot.replica = None
            slot.lost.set()


async def _first(*waits: Any) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
