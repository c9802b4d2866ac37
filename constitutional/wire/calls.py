"""Requests to one server by aiohttp, since a client's connection pool can cost ten times what the server does.

The whole call has a deadline and its answer a size; redirects are not followed, so that no key reaches another host;
link-local addresses, where clouds keep their credentials, are refused.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol

import aiohttp
from yarl import URL

from constitutional.wire.deadline import Deadline
from constitutional.wire.frames import Lost, Reply, Setting, is_link_local

MOST_BYTES = 8 * 1024**2
#: What whoever asks wants to know of an answer's headers.
HEADERS = ("retry-after", "retry-after-ms", "location")


class Line(Protocol):
    """A way to one server."""

    async def post(self, path: str, body: bytes) -> Reply:
        """The server's answer, whatever it is.  Raises `Lost` where there is none."""

    async def close(self) -> None:
        """Give up what is under way."""


class Calls:
    """Connections to one server, made in this process."""

    def __init__(self, setting: Setting) -> None:
        base, key, deadline, connections = setting
        self._base = base
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        connector = aiohttp.TCPConnector(limit=connections, resolver=_Resolver(), ttl_dns_cache=300)
        self._deadline = Deadline(deadline)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=min(deadline, 30.0))
        # No cookies: a jar is searched with every request.
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=headers, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._urls: dict[str, URL] = {}

    async def post(self, path: str, body: bytes) -> Reply:
        """The server's answer, whatever it is.

        Raises:
            Lost: where there is none; `reason` is `timeout`, `connection`, `too-large` or `forbidden`.
        """
        try:
            with self._deadline.of_this_call():
                async with self._session.post(self._url(path), data=body, allow_redirects=False) as response:
                    content = await _read(response)
        except TimeoutError as error:
            raise Lost("timeout", "no whole answer before the deadline") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _lost(error) from error
        except RuntimeError as error:
            if not self._session.closed:
                raise
            raise _lost(error) from error
        if response.status == 200:
            return Reply(200, {}, content)
        told = {name: response.headers[name] for name in HEADERS if name in response.headers}
        return Reply(response.status, told, content)

    def _url(self, path: str) -> URL:
        if path not in self._urls:
            self._urls[path] = URL(self._base + path)
        return self._urls[path]

    async def close(self) -> None:
        self._deadline.close()
        await self._session.close()


def _lost(error: Exception) -> Lost:
    return Lost("connection", f"{type(error).__name__}: {error}")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MOST_BYTES and "content-encoding" not in response.headers:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            response.close()
            raise Lost("too-large", f"the answer is larger than {MOST_BYTES // 1024**2} MiB")
    return b"".join(parts)


class _Resolver(aiohttp.ThreadedResolver):
    """Names that stand for link-local addresses are refused, whatever the name."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        found = await super().resolve(host, port, family)
        for address in found:
            if is_link_local(address["host"]):
                raise Lost("forbidden", address["host"])
        return found
