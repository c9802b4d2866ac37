"""One POST of JSON to a model server: the answer's JSON, or why there is none.

aiohttp, since a client's connection pool can cost ten times what the server does.  The whole call has a deadline and its
answer a size; redirects are not followed, so that no key reaches another host; link-local addresses, where clouds keep
their credentials, are refused.
"""

from __future__ import annotations

import email.utils
import ipaddress
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from yarl import URL

from constitutional.api import JsonObject, NotNow, RunError, Unanswered, UserError, printable
from constitutional.builtin.backends.deadline import Deadline

MOST_BYTES = 8 * 1024**2
#: What a server says is quoted up to so many characters.
QUOTED = 400
#: Statuses that may pass by themselves, beside all of 500 and above.
PASSING = frozenset({408, 409, 425, 429})
#: ... because there is too much to do.
BUSY = frozenset({429, 503, 529})
#: ... because a gateway found nobody behind it.
GONE = frozenset({502, 503, 504})


class Client:
    """Connections to one server.

    Raises:
        UserError: if the address is no http(s) address, or a link-local one.
    """

    def __init__(self, base_url: str, key: str | None, deadline: float, connections: int) -> None:
        self._base = checked_address(base_url)
        self._key = key
        headers = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        connector = aiohttp.TCPConnector(limit=connections, resolver=_Resolver(), ttl_dns_cache=300)
        self._deadline = Deadline(deadline)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=min(deadline, 30.0))
        # No cookies: a jar is searched with every request.
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, headers=headers, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
        )
        self._urls: dict[str, URL] = {}

    async def post(self, path: str, body: JsonObject) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            NotNow: if asking again may help.
            Unanswered: if the server refuses this one request for what is in it.
            RunError: if it would refuse every request.
        """
        try:
            with self._deadline.of_this_call():
                async with self._session.post(
                    self._url(path), data=orjson.dumps(body), allow_redirects=False
                ) as response:
                    content = await _read(response)
        except TimeoutError as error:
            raise NotNow("timeout", "no whole answer before the deadline", gone=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._lost(error) from error
        except RuntimeError as error:
            if not self._session.closed:
                raise
            raise self._lost(error) from error
        if response.status != 200:
            raise self._refusal(response.status, response.headers, content)
        return _json(content)

    def _url(self, path: str) -> URL:
        if path not in self._urls:
            self._urls[path] = URL(self._base + path)
        return self._urls[path]

    def _lost(self, error: Exception) -> NotNow:
        return NotNow("connection", self._clean(f"{type(error).__name__}: {error}"), gone=True)

    async def close(self) -> None:
        self._deadline.close()
        await self._session.close()

    def _refusal(self, status: int, headers: Any, content: bytes) -> Exception:
        said, code = _words(content)
        said = self._clean(said)
        if status == 429 and code == "insufficient_quota":
            return RunError(f"{self._where()} answered 429: {said}", help="the account has no credit left")
        if status in PASSING or status >= 500:
            return NotNow(str(status), said, after=retry_after(headers), busy=status in BUSY, gone=status in GONE)
        if 300 <= status < 400:
            target = self._clean(str(headers.get("location", "elsewhere")))
            return RunError(
                f"{self._where()} redirects to {target}", help="write that address as `base_url`, if you trust it"
            )
        if reason := _of_this_request(status, code, said):
            return Unanswered(reason, said)
        return RunError(
            f"{self._where()} answered {status}: {said}",
            help=_HELP.get(status, "the server does not take this request as it is"),
        )

    def _where(self) -> str:
        parts = urlsplit(self._base)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    def _clean(self, text: str) -> str:
        """The words without the key, whatever quotes it, and fit to be shown."""
        hidden = text.replace(self._key, "***") if self._key else text
        return printable(hidden[:QUOTED])


_HELP = {
    401: "see that `api_key_env` names the variable that holds the key",
    403: "the key may not use this model",
    404: "see that `base_url` ends where the server's paths begin (often `/v1`), and that `model` is a name it knows",
}


def checked_address(base_url: str) -> str:
    """The address without its last slash.

    Raises:
        UserError: if it is no http(s) address, names a user, or is link-local.
    """
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError("`base_url` is not an http(s) address", help="write it as http://127.0.0.1:8000/v1")
    if parts.username or parts.password:
        raise UserError("`base_url` holds a user or password", help="give the key by `api_key_env`")
    _refuse_link_local(parts.hostname)
    return base_url.rstrip("/")


def retry_after(headers: Any) -> float | None:
    """Seconds that the server wishes for: a number, or a date."""
    said = headers.get("retry-after-ms")
    scale = 0.001 if said is not None else 1.0
    said = said if said is not None else headers.get("retry-after")
    if said is None:
        return None
    try:
        seconds = float(said) * scale
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _of_this_request(status: int, code: str, said: str) -> str | None:
    """The reason, where it is the one request and not all that is refused."""
    if status not in (400, 413, 422):
        return None
    low = f"{code} {said}".lower()
    if "content_filter" in low or "content management policy" in low:
        return "content_filter"
    long = ("context_length", "context length", "maximum context", "too many tokens", "too long", "max_model_len")
    return "too-long" if status == 413 or any(words in low for words in long) else None


def _words(content: bytes) -> tuple[str, str]:
    """What the server says and its code for it, in any of the usual shapes."""
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError:
        return " ".join(content[:QUOTED].decode("utf-8", "replace").split()) or "(nothing)", ""
    error = said.get("error", said) if isinstance(said, dict) else said
    if not isinstance(error, dict):
        return str(error), ""
    return str(error.get("message") or error.get("detail") or error), str(error.get("code") or error.get("type") or "")


def _json(content: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise NotNow("malformed", f"the answer is not JSON: {error}") from error
    if not isinstance(said, dict):
        raise NotNow("malformed", "the answer is not a JSON object")
    return said


async def _read(response: aiohttp.ClientResponse) -> bytes:
    length = response.content_length
    if length is not None and length <= MOST_BYTES:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            response.close()
            raise NotNow("too-large", f"the answer is larger than {MOST_BYTES // 1024**2} MiB")
    return b"".join(parts)


class _Resolver(aiohttp.ThreadedResolver):
    """Names that stand for link-local addresses are refused, whatever the name."""

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> Any:
        found = await super().resolve(host, port, family)
        for address in found:
            _refuse_link_local(address["host"])
        return found


def _refuse_link_local(host: str) -> None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return
    if address.is_link_local or address.is_multicast:
        raise UserError(f"`base_url` leads to {host}, which is no address of a model server")
