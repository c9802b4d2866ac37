"""What goes between a run and the process that carries its requests: frames over a socket, and what they stand for."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, cast


class Setting(NamedTuple):
    """One server: where its paths begin, its key, the seconds that a call may take, and connections at most."""

    base: str
    key: str | None
    deadline: float
    connections: int


class Reply(NamedTuple):
    """What a server answered; `headers` are those that say how to go on, where the status is not 200."""

    status: int
    headers: dict[str, str]
    content: bytes


class Lost(Exception):
    """No answer came."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Kind(IntEnum):
    """What a frame says."""

    #: To the carrier: use this server from now on, and no more; a request; nobody waits for it any more.
    OPEN = 1
    CLOSE = 2
    POST = 3
    FORGET = 4
    #: From it: ready to carry; an answer; none.
    READY = 5
    REPLY = 6
    LOST = 7


#: Length of what follows, number of the request, number of the server or the answer's status, kind.
_HEAD = struct.Struct("<IIHB")

#: Kind, number of the request, number of the server or status, and the rest.
Told = Callable[[int, int, int, bytes], None]


def frame(kind: Kind, number: int, which: int, content: bytes = b"") -> bytes:
    return _HEAD.pack(len(content), number, which, kind) + content


def reply_frame(number: int, reply: Reply) -> bytes:
    headers = json.dumps(reply.headers).encode() if reply.headers else b""
    return frame(Kind.REPLY, number, reply.status, headers + b"\n" + reply.content)


def read_reply(status: int, content: bytes) -> Reply:
    headers, _, body = content.partition(b"\n")
    return Reply(status, json.loads(headers) if headers else {}, body)


class Frames(asyncio.Protocol):
    """Cuts a stream into frames; `told` hears each of them, `ended` that there will be no more."""

    def __init__(self, told: Told, ended: Callable[[], None]) -> None:
        self._told = told
        self._ended = ended
        self._rest = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        rest, at = self._rest, 0
        rest += data
        while len(rest) - at >= _HEAD.size:
            length, number, which, kind = _HEAD.unpack_from(rest, at)
            end = at + _HEAD.size + length
            if len(rest) < end:
                break
            self._told(kind, number, which, bytes(rest[at + _HEAD.size : end]))
            at = end
        del rest[:at]

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._ended()

    def send(self, data: bytes) -> None:
        """Nothing where the other side is gone: `ended` has said so."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> bool:
        """Give up what is not sent yet: whoever closes waits for no answer.  False where there is no connection."""
        if self._transport is None:
            return False
        self._transport.abort()
        return True


def is_link_local(host: str) -> bool:
    """Whether this is an address of no model server: link-local or multicast."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_link_local or address.is_multicast
