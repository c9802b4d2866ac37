"""Couriers: a process that carries this event loop's requests, shared by all models behind servers.

It is started when lines are expected, and ends with the last one.  Where it dies, what it carried is lost as by a broken
connection, and the next request starts another; where it cannot even start, requests are made here.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from constitutional.wire.deadline import Deadline
from constitutional.wire.frames import Frames, Kind, Lost, Reply, Setting, frame, read_reply

if TYPE_CHECKING:
    from constitutional.wire.calls import Line

#: How long a process that was told to end may take.
GRACE_SECONDS = 5.0
#: What keeps to a deadline may be so much late, and is given up then.
LATE_SECONDS = 10.0
#: The process does not look into the folder that it starts in, and finds this package wherever it is.
_START = "import sys; sys.path.append(sys.argv[1]); from constitutional.wire.carrier import main; main()"

_ENDED = "the process that carries requests has ended"


class Courier:
    """The process, seen from here."""

    def __init__(self) -> None:
        self._frames = Frames(self._told, self._ended)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count()
        self._ready = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (the words are our own)
                [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._connecting: asyncio.Task[None] | None = None
        self.gone = False

    @property
    def useless(self) -> bool:
        """Whether it ended before it could carry anything."""
        return self.gone and not self._ready

    async def connect(self) -> None:
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        await asyncio.shield(self._connecting)

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self._frames, sock=self._socket)

    def send(self, kind: Kind, which: int, content: bytes = b"", number: int = 0) -> None:
        self._frames.send(frame(kind, number, which, content))

    async def carry(self, which: int, path: str, body: bytes) -> Reply:
        if self.gone:
            raise Lost("connection", _ENDED)
        number = next(self._numbers) & 0xFFFFFFFF
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self.send(Kind.POST, which, b"%b\n%b" % (path.encode(), body), number)
        try:
            return await answer
        except asyncio.CancelledError:
            self.send(Kind.FORGET, which, number=number)
            raise
        finally:
            self._waiting.pop(number, None)

    def _told(self, kind: int, number: int, which: int, content: bytes) -> None:
        if kind == Kind.READY:
            self._ready = True
            return
        answer = self._waiting.pop(number, None)
        if answer is None or answer.done():
            return
        if kind == Kind.REPLY:
            answer.set_result(read_reply(which, content))
        else:
            answer.set_exception(Lost(*json.loads(content)))

    def _ended(self) -> None:
        self.gone = True
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(Lost("connection", _ENDED))

    async def close(self) -> None:
        """Let go of the process, and wait for its end; who still waits for an answer gets none."""
        if self._connecting is not None:
            await asyncio.gather(self._connecting, return_exceptions=True)
        if not self._frames.close():
            self._socket.close()
        self._ended()
        await asyncio.to_thread(self._wait)

    def kill(self) -> None:
        """End it now, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._ended()

    def _wait(self) -> None:
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Office:
    """The courier of one event loop, and how many need it."""

    def __init__(self) -> None:
        self._needed = 0
        self._courier: Courier | None = None
        self._numbers = itertools.count()

    def courier(self) -> Courier:
        """The process that is there, or a new one.  Raises `OSError` where none can be started."""
        before = self._courier
        if before is not None and before.gone and not before.useless:
            before.kill()
            self._courier = None
        self._courier = self._courier or Courier()
        return self._courier

    def abandon(self) -> None:
        """The loop is closed, and nobody has said that nothing is needed any more."""
        if self._courier is not None:
            self._courier.kill()
            self._courier = None

    def number(self) -> int:
        return next(self._numbers) & 0xFFFF

    def join(self) -> None:
        self._needed += 1

    async def leave(self) -> None:
        self._needed -= 1
        if self._needed:
            return
        _OFFICES.pop(asyncio.get_running_loop(), None)
        if self._courier is not None:
            courier, self._courier = self._courier, None
            await courier.close()


_OFFICES: dict[asyncio.AbstractEventLoop, _Office] = {}


class Carried:
    """A line to one server by courier."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._office = _office()
        self._office.join()
        self._courier: Courier | None = None
        self._number = 0
        self._here: Line | None = None
        self._opening = asyncio.Lock()
        self._deadline = Deadline(setting.deadline + LATE_SECONDS)
        self._closed = False

    async def post(self, path: str, body: bytes) -> Reply:
        """The server's answer, whatever it is.  Raises `Lost` where there is none."""
        if self._here is not None:
            return await self._here.post(path, body)
        courier = self._courier
        try:
            if courier is None or courier.gone:
                courier = await self._opened()
            with self._deadline.of_this_call():
                return await courier.carry(self._number, path, body)
        except TimeoutError as error:
            # It keeps to the deadline itself, so it does nothing at all any more.
            if courier is not None:
                courier.kill()
            raise Lost("timeout", "no whole answer before the deadline") from error
        except Lost:
            if courier is None or not courier.useless:
                raise
        except OSError:
            # No process can be started: there is no room for one, or it is forbidden.
            pass
        return await self._made_here().post(path, body)

    async def _opened(self) -> Courier:
        """The courier, who knows this server."""
        async with self._opening:
            if self._courier is None or self._courier.gone:
                courier = self._office.courier()
                await courier.connect()
                self._number = self._office.number()
                courier.send(Kind.OPEN, self._number, json.dumps(self._setting).encode())
                self._courier = courier
            return self._courier

    def _made_here(self) -> Line:
        from constitutional.wire.calls import Calls

        self._here = self._here or Calls(self._setting)
        return self._here

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._deadline.close()
        if self._courier is not None:
            self._courier.send(Kind.CLOSE, self._number)
        if self._here is not None:
            await self._here.close()
        await self._office.leave()


class Ahead:
    """A line will be laid soon in this event loop: the courier gets ready meanwhile."""

    def __init__(self) -> None:
        self._office = _office() if _apart() else None
        if self._office is not None:
            self._office.join()
            with contextlib.suppress(OSError):
                self._office.courier()

    async def close(self) -> None:
        if self._office is not None:
            await self._office.leave()


def lay(setting: Setting) -> Line:
    """A line to a server: by courier where one was started ahead, or else from here, which is as well for a few requests."""
    if asyncio.get_running_loop() in _OFFICES:
        return Carried(setting)
    from constitutional.wire.calls import Calls

    return Calls(setting)


def _office() -> _Office:
    for loop in [loop for loop in _OFFICES if loop.is_closed()]:
        _OFFICES.pop(loop).abandon()
    return _OFFICES.setdefault(asyncio.get_running_loop(), _Office())


def _apart() -> bool:
    return len(os.sched_getaffinity(0)) > 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) > 1
