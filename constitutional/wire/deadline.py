"""One deadline for any number of calls at once, on one timer: a timer of its own costs each call a tenth of its work."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """So many seconds for each call: `with deadline.of_this_call(): ...`, as `asyncio.timeout` would have it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: The calls under way.  All have as long, so those that began first are due first.
        self._open: dict[_Call, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def of_this_call(self) -> _Call:
        """To be entered by the task whose call it is.  Raises `TimeoutError` on leaving where it was late."""
        return _Call(self)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, call: _Call) -> None:
        loop = asyncio.get_running_loop()
        call.due = loop.time() + self._seconds
        self._open[call] = None
        if self._timer is None:
            self._timer = loop.call_at(call.due, self._look)

    def _end(self, call: _Call) -> None:
        self._open.pop(call, None)

    def _look(self) -> None:
        """Cancel what is late, and look again when the next one is due."""
        self._timer, loop = None, asyncio.get_running_loop()
        now = loop.time()
        while self._open:
            first = next(iter(self._open))
            if first.due > now:
                self._timer = loop.call_at(first.due, self._look)
                return
            del self._open[first]
            first.expire()


class _Call:
    __slots__ = ("_cancelling", "_deadline", "_late", "_task", "due")

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._late = False
        self.due = 0.0

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call belongs to a task")
        self._task, self._cancelling = task, task.cancelling()
        self._deadline._begin(self)

    def expire(self) -> None:
        self._late = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._late:
            self._deadline._end(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Nobody else wants the task to end.
            raise TimeoutError from error
