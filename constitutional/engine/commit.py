"""Group commit: one transaction for all that became ready within a few milliseconds.

A transaction costs about as much for fifty rows as for one.  Whoever waits a moment for it does not hold up the model: the
next question goes out before the last answer is safe, it is only not handed on.

An answer is handed on when it is safe.  A row is passed on at once: it follows from answers that are safe, and all that
follows from it is written in its own transaction or a later one, so whatever survives a crash has all it was made from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from constitutional.store.journal import Journal

#: So long an answer may wait for others to share its transaction (seconds), and so many at most wait together.
LINGER = 0.005
TOGETHER = 256


class Commit:
    """Makes what is pending in the journal durable, for any number of waiters at once."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._waiting: list[Callable[[BaseException | None], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        #: Whether the flush comes in the next turn of the loop.
        self._called = False
        self._failure: BaseException | None = None

    def then(self, told: Callable[[BaseException | None], None]) -> None:
        """Call back when all that is pending now has survived, or with what went wrong."""
        self._waiting.append(told)
        self._soon()

    def soon(self) -> None:
        """See to it that what is pending is written.

        Raises:
            StoreFailed: if that failed the last time: there is no use in going on.
        """
        if self._failure is not None:
            raise self._failure
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

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._timer, self._called = None, False
        self._failure = None
        try:
            self.journal.flush()
        except BaseException as error:  # noqa: BLE001  (whoever waits must hear of it, whatever it is)
            self._failure = error
        for told in waiting:
            told(self._failure)
