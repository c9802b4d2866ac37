"""The process that carries requests, for a run that holds the other end of a socket.

It ends when the other end does, however that came about, and with nothing else: a signal to the whole group is the run's
to answer, which lets what is under way finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

from constitutional.wire.calls import Calls
from constitutional.wire.frames import Frames, Kind, Lost, Setting, frame, reply_frame


class Carrier:
    """Does what the frames ask for."""

    def __init__(self) -> None:
        self.frames = Frames(self._told, self._end)
        self.ended = asyncio.Event()
        self._calls: dict[int, Calls] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def _told(self, kind: int, number: int, which: int, content: bytes) -> None:
        loop = asyncio.get_running_loop()
        if kind == Kind.POST:
            path, _, body = content.partition(b"\n")
            calls = self._calls.get(which)
            if calls is None:
                self._lose(number, "connection", "the connection was closed")
                return
            task = self._tasks[number] = loop.create_task(self._post(number, calls, path.decode(), body))
            task.add_done_callback(lambda _: self._tasks.pop(number, None))
        elif kind == Kind.OPEN:
            self._calls[which] = Calls(Setting(*json.loads(content)))
        elif kind == Kind.CLOSE and which in self._calls:
            closing = loop.create_task(self._calls.pop(which).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        elif kind == Kind.FORGET and number in self._tasks:
            self._tasks[number].cancel()

    async def _post(self, number: int, calls: Calls, path: str, body: bytes) -> None:
        try:
            self.frames.send(reply_frame(number, await calls.post(path, body)))
        except Lost as lost:
            self._lose(number, lost.reason, lost.detail)
        except Exception as error:  # noqa: BLE001  (whatever it is, the run that waits must hear of it)
            self._lose(number, "broken", f"{type(error).__name__}: {error}")

    def _lose(self, number: int, reason: str, detail: str) -> None:
        self.frames.send(frame(Kind.LOST, number, 0, json.dumps([reason, detail]).encode()))

    def _end(self) -> None:
        for task in list(self._tasks.values()):
            task.cancel()
        self.ended.set()


async def carry(end: socket.socket) -> None:
    carrier = Carrier()
    await asyncio.get_running_loop().create_connection(lambda: carrier.frames, sock=end)
    carrier.frames.send(frame(Kind.READY, 0, 0))
    await carrier.ended.wait()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end = socket.socket(fileno=int(sys.argv[-1]))
    make: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop as make
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(carry(end))
        # There is nothing to be saved, and somebody may wait for the end.
        os._exit(0)
