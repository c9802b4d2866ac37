"""Group commit: one transaction for all that became ready within a few milliseconds.

A transaction costs about as much for fifty rows as for one.  Whoever waits a moment for it does not hold up the model: the
next question goes out before the last answer is safe, it is only not handed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from constitutional.store.journal import Journal

#: So long an answer may wait for others to share its transaction (seconds), and so many at most wait together.
LINGER = 0.003
TOGETHER = 64


class Commit:
    """Makes what is pending in the journal durable, for any number of waiters at once."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._waiting: list[Callable[[BaseException | None], None]] = []
        #: Rows that wait, each by a future alone: there is one for every call of a model, so a closure would be felt.
        self._rows: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        #: Whether the flush comes in the next turn of the loop.
        self._called = False

    def then(self, told: Callable[[BaseException | None], None]) -> None:
        """Call back when all that is pending now has survived, or with what went wrong."""
        self._waiting.append(told)
        self._soon()

    def _soon(self) -> None:
        if self._called:
            return
        if self.journal.pending >= TOGETHER:
            if self._timer is not None:
                self._timer.cancel()
            self._called = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINGER, self._flush)

    async def done(self) -> None:
        """Wait until all that is pending now has survived.

        Raises:
            StoreFailed: if the disk takes no more.
        """
        safe: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._rows.append(safe)
        self._soon()
        await safe

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        rows, self._rows = self._rows, []
        self._timer, self._called = None, False
        failure: BaseException | None = None
        try:
            self.journal.flush()
        except BaseException as error:  # noqa: BLE001  (whoever waits must hear of it, whatever it is)
            failure = error
        for told in waiting:
            told(failure)
        for safe in rows:
            if safe.done():
                continue
            if failure is None:
                safe.set_result(None)
            else:
                safe.set_exception(failure)
