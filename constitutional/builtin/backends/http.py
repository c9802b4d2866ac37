"""One POST of JSON to a model server: the answer's JSON, or why there is none, in the words of the engine."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from constitutional.api import JsonObject, NotNow, RunError, Unanswered, UserError, printable
from constitutional.wire.courier import lay
from constitutional.wire.frames import Lost, Setting, is_link_local

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
        self._line = lay(Setting(self._base, key, deadline, connections))

    async def post(self, path: str, body: JsonObject) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            NotNow: if asking again may help.
            Unanswered: if the server refuses this one request for what is in it.
            RunError: if it would refuse every request.
        """
        try:
            reply = await self._line.post(path, orjson.dumps(body))
        except Lost as lost:
            raise self._why(lost) from lost
        if reply.status != 200:
            raise self._refusal(reply.status, reply.headers, reply.content)
        return _json(reply.content)

    def _why(self, lost: Lost) -> Exception:
        if lost.reason == "forbidden":
            return _forbidden(lost.detail)
        if lost.reason == "broken":
            return RunError(f"{self._where()} could not be asked: {self._clean(lost.detail)}")
        return NotNow(lost.reason, self._clean(lost.detail), gone=lost.reason != "too-large")

    async def close(self) -> None:
        await self._line.close()

    def _refusal(self, status: int, headers: Mapping[str, str], content: bytes) -> Exception:
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
    if is_link_local(parts.hostname):
        raise _forbidden(parts.hostname)
    return base_url.rstrip("/")


def retry_after(headers: Mapping[str, str]) -> float | None:
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


def _forbidden(host: str) -> UserError:
    return UserError(f"`base_url` leads to {host}, which is no address of a model server")
