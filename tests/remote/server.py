"""A real HTTP server with an OpenAI face that misbehaves on demand.

An answer is a function of the request alone, so that whatever a client does about a fault, the right result is known.
A *fault* is the name of a misbehaviour below; `plan(text, attempt)` says which one meets a request, None for none.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Plan = Callable[[str, int], str | None]

OPTIONS = {"A": -0.2, "B": -1.8}


def said(text: str) -> str:
    """What a sound server says to a last message."""
    return f"answer {hashlib.sha256(text.encode()).hexdigest()[:12]}"


class FaultServer:
    """Listens on a free port of loopback in a thread of its own; counts what it is asked."""

    def __init__(
        self, plan: Plan | None = None, *, logprobs: bool = True, latency: float = 0.0, capacity: int | None = None,
        several: bool = True, options: Mapping[str, float] = OPTIONS,
    ) -> None:  # fmt: skip
        self.plan = plan or (lambda text, attempt: None)
        self.logprobs = logprobs
        self.latency = latency
        self.capacity = capacity
        #: Whether `n` is heeded.
        self.several = several
        #: What is said where options are weighed, with log-probabilities.
        self.options = dict(options)
        self.asked: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        #: Tokens of prompts and answers, as it tells them.
        self.usage: list[tuple[int, int]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.flying = self.most = 0
        self.down = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultServer:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- one connection ----------------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._one(reader, writer):
                    pass
            writer.close()
        except asyncio.CancelledError:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length) or b"{}")
        if self.down:
            return self._reset(writer)
        self.headers.append(head)
        self.bodies.append(body)
        text = body["messages"][-1]["content"] if "messages" in body else body.get("prompt", "")
        attempt = self.asked[text]
        self.asked[text] += 1
        fault = self.plan(text, attempt)
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            if self.capacity is not None and self.flying > self.capacity:
                fault = "429-busy"
            else:
                await asyncio.sleep(self.latency)
        finally:
            self.flying -= 1
        if fault is None:
            self.answered[text] += 1
            return await self._send(writer, 200, self._answer(text, body))
        self.faults[fault] += 1
        return await getattr(self, "_" + fault.replace("-", "_"))(writer, text, body)

    def _answer(self, text: str, body: dict[str, Any], **changed: Any) -> bytes:
        content = said(text)
        choice: dict[str, Any] = {
            "index": 0,
            "message": {"role": "assistant", "content": content},
            "finish_reason": "stop",
        }
        if body.get("logprobs") and self.logprobs:
            tops = [{"token": token, "logprob": value} for token, value in self.options.items()]
            choice["logprobs"] = {"content": [{**tops[0], "top_logprobs": tops}]}
            choice["message"]["content"] = tops[0]["token"]
        elif "A or B" in text:
            choice["message"]["content"] = "(A) is better."
        if "response_format" in body:
            schema = body["response_format"]["json_schema"]["schema"]
            choice["message"]["content"] = json.dumps(
                {name: (kind.get("enum") or ["text"])[-1] for name, kind in schema["properties"].items()}
            )
        choice["text"] = choice["message"]["content"]
        self.usage.append((len(text.split()), 3))
        usage = {"prompt_tokens": len(text.split()), "completion_tokens": 3}
        choices = [{**choice, **changed}]
        if self.several and body.get("n", 1) > 1:
            texts = [f"{choice['text']} {number}" for number in range(body["n"])]
            choices = [{**choice, "message": {"role": "assistant", "content": text}} for text in texts]
            usage["completion_tokens"] *= body["n"]
        return json.dumps({"object": "chat.completion", "choices": choices, "usage": usage}).encode()

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, *headers: str, claim: int | None = None
    ) -> bool:
        lines = [
            f"HTTP/1.1 {status} X",
            "content-type: application/json",
            f"content-length: {claim or len(body)}",
            *headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()
        return True

    async def _error(
        self, writer: asyncio.StreamWriter, status: int, words: str, *headers: str, code: str = ""
    ) -> bool:
        return await self._send(
            writer, status, json.dumps({"error": {"message": words, "code": code}}).encode(), *headers
        )

    def _reset(self, writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    # -- faults ------------------------------------------------------------------------------------------------------

    async def _429_busy(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 429, "slow down", "retry-after: 0.05")

    async def _429_bare(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 429, "slow down")

    async def _429_quota(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 429, "no credit", code="insufficient_quota")

    async def _500(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 500, "broken")

    async def _502_html(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 502, b"<html><h1>Bad gateway</h1></html>")

    async def _503(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 503, "loading the model", "retry-after: 0.05")

    async def _408(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 408, "late")

    async def _reset_(self, writer: Any, text: str, body: Any) -> bool:
        return self._reset(writer)

    async def _hang(self, writer: Any, text: str, body: Any) -> bool:
        await asyncio.sleep(30)
        return False

    async def _trickle(self, writer: Any, text: str, body: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
        return False

    async def _malformed(self, writer: Any, text: str, body: Any) -> bool:
        answer = self._answer(text, body)
        return await self._send(writer, 200, answer[: len(answer) // 2])

    async def _not_json(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, b"<html>hello</html>")

    async def _nan(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, b'{"choices": [{"message": {"content": "x"}, "logprobs": NaN}]}')

    async def _a_list(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, b"[]")

    async def _no_choices(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, b'{"choices": []}')

    async def _odd_choice(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, b'{"choices": ["text"]}')

    async def _truncated(self, writer: Any, text: str, body: Any) -> bool:
        answer = self._answer(text, body)
        await self._send(writer, 200, answer[:-20], claim=len(answer))
        return self._reset(writer)

    async def _empty(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, self._answer(text, body, message={"content": None}, logprobs=None))

    async def _two_choices(self, writer: Any, text: str, body: Any) -> bool:
        answer = json.loads(self._answer(text, body))
        answer["choices"] *= 2
        self.answered[text] += 1
        return await self._send(writer, 200, json.dumps(answer).encode())

    async def _huge(self, writer: Any, text: str, body: Any) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(40):
                writer.write(b" " * 1024**2)
                await writer.drain()
        return False

    async def _inflated(self, writer: Any, text: str, body: Any) -> bool:
        """Few bytes that become many."""
        return await self._send(writer, 200, gzip.compress(b" " * 40 * 1024**2), "content-encoding: gzip")

    async def _redirect(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 307, b"", "location: http://elsewhere.example/v1")

    async def _401(self, writer: Any, text: str, body: Any) -> bool:
        key = next(
            (
                line[22:].strip()
                for line in self.headers[-1].split("\r\n")
                if line.lower().startswith("authorization: bearer")
            ),
            "",
        )
        return await self._error(writer, 401, f"the key {key} is not known here")

    async def _404(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 404, "no such model")

    async def _400(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 400, "unknown parameter `top_logprobs`")

    async def _too_long(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 400, "maximum context length is 12 tokens", code="context_length_exceeded")

    async def _filtered_400(self, writer: Any, text: str, body: Any) -> bool:
        return await self._error(writer, 400, "not allowed", code="content_filter")

    async def _filtered(self, writer: Any, text: str, body: Any) -> bool:
        return await self._send(writer, 200, self._answer(text, body, finish_reason="content_filter"))


@contextlib.contextmanager
def serving(plan: Plan | None = None, **options: Any) -> Iterator[FaultServer]:
    with FaultServer(plan, **options) as server:
        yield server
