"""Group commit: one transaction for all that became ready in one turn of the event loop."""

from __future__ import annotations

import asyncio

from constitutional.store.journal import Journal


class Commit:
    """Makes what is pending in the journal durable, for any number of waiters at once."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._next: asyncio.Future[None] | None = None

    async def done(self) -> None:
        """Wait until all that is pending now has survived.

        Raises:
            StoreFailed: if the disk takes no more.
        """
        await asyncio.shield(self._soon())

    def _soon(self) -> asyncio.Future[None]:
        if self._next is None:
            loop = asyncio.get_running_loop()
            self._next = loop.create_future()
            loop.call_soon(self._flush)
        return self._next

    def _flush(self) -> None:
        waiting, self._next = self._next, None
        assert waiting is not None
        try:
            self.journal.flush()
        except BaseException as error:  # noqa: BLE001  (whoever waits must hear of it, whatever it is)
            waiting.set_exception(error)
            waiting.add_done_callback(lambda done: done.exception())
        else:
            if not waiting.cancelled():
                waiting.set_result(None)
