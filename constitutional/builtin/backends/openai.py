"""Any server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, TGI, Ollama, `transformers serve`, OpenAI."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from constitutional.api import (
    Backend,
    BackendParams,
    Capability,
    Choice,
    ChoiceRequest,
    Completion,
    Cosmetic,
    JsonObject,
    Messages,
    NotNow,
    Params,
    Patience,
    Request,
    Unanswered,
    UserError,
    to_json,
    transcript,
)
from constitutional.builtin.backends.options import NOT_NAMED, Position, Unclear, weigh
from constitutional.builtin.backends.words import chosen, named

if TYPE_CHECKING:
    from constitutional.builtin.backends.http import Client
    from constitutional.wire.courier import Ahead

#: Tokens that an answer in words may take where an option is to be named.
WORDS = 16


class Price(Params):
    """Dollars per million tokens."""

    input: float = Field(ge=0)
    """Of prompts."""

    output: float = Field(ge=0)
    """Of answers."""


class OpenAIParams(BackendParams):
    """Parameters of a model behind an OpenAI-compatible server."""

    model: str
    """The model's name as the server knows it."""

    base_url: Annotated[str, Cosmetic()] = ""
    """Where the server's paths begin, often `http://HOST:PORT/v1`."""

    base_url_env: str | None = None
    """The variable that holds `base_url`."""

    api_key_env: str | None = None
    """The variable that holds the key; its value is never written anywhere."""

    api: Literal["chat", "completions"] = "chat"
    """Dialogues as they are, or as plain text for a model without a chat template."""

    choices: Literal["auto", "logprobs", "words", "schema"] = "auto"
    """How options are weighed: by log-probabilities; by the words of an answer, free or held to the options by a JSON
    Schema; or as the server can, by log-probabilities or free words, which is said."""

    top_logprobs: int = Field(default=20, ge=2, le=100)
    """How many of the likeliest tokens to ask for where options are weighed; OpenAI and vLLM give 20 at most."""

    length_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the server calls the greatest number of tokens; OpenAI's reasoning models want the second."""

    send_seed: bool = True
    """Send the seed of the row's own random stream; turn it off for a server that refuses it."""

    on_filter: Literal["unscored", "keep"] = "unscored"
    """What to do with an answer that the server's content filter cut: count the row as unscored, or keep what is there."""

    extra: dict[str, Any] = Field(default_factory=dict)
    """More keys for the body of each request, such as `response_format` or `chat_template_kwargs`."""

    revision: str = ""
    """Any text; change it where the server has other weights under the same name."""

    price: Annotated[Price | None, Cosmetic()] = None
    """What the model costs, for the meter and for `budget.dollars`: `{input: 0.4, output: 1.6}`."""

    group_samples: Annotated[int, Cosmetic()] = Field(default=1, ge=1, le=128)
    """Ask for up to so many samples of one prompt in one request (`n`), so that the server reads the prompt once.  The
    request has the first sample's seed; what a server leaves out is asked for one by one."""

    concurrency: Annotated[int, Cosmetic()] = Field(default=64, ge=1, le=10_000)
    """Requests in flight at most; fewer while the server says that it has too much to do."""

    adaptive: Annotated[bool, Cosmetic()] = True
    """Halve what is in flight when the server says it is too much, and grow again while it keeps up."""

    requests_per_minute: Annotated[float | None, Cosmetic()] = Field(default=None, gt=0)
    """The account's limit, where there is one."""

    tokens_per_minute: Annotated[float | None, Cosmetic()] = Field(default=None, gt=0)
    """The account's limit on tokens of prompts and answers, where there is one."""

    deadline: Annotated[float, Cosmetic()] = Field(default=600.0, gt=0)
    """Seconds that one request may take in all, from connecting to the last byte."""

    attempts: Annotated[int, Cosmetic()] = Field(default=8, ge=1)
    """How often one request is tried where trying again may help."""

    give_up_after: Annotated[float, Cosmetic()] = Field(default=1800.0, ge=0)
    """Stop the run where the server has answered nothing for so many seconds; the run can be resumed."""


class OpenAIBackend(Backend):
    """Asks a server, one request a question, as many at once as it can take."""

    name, version, Params = "openai", 2, OpenAIParams
    gives = Capability.TEXT | Capability.CHOICES | Capability.JSON
    params: OpenAIParams

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._client: Client | None = None
        self._ahead: Ahead | None = None
        self._served = self.params.model
        self._weighs = self.params.choices in ("auto", "logprobs")
        self._groups = self.params.group_samples > 1
        self._noticed: set[str] = set()

    @property
    def batch_size(self) -> int:
        return self.params.group_samples

    @property
    def parallel(self) -> int:
        return self.params.concurrency

    @property
    def price(self) -> tuple[float, float] | None:
        price = self.params.price
        return (price.input, price.output) if price is not None else None

    @property
    def patience(self) -> Patience:
        p = self.params
        return Patience(attempts=p.attempts, give_up_after=p.give_up_after, adaptive=p.adaptive,
                        requests_per_minute=p.requests_per_minute, tokens_per_minute=p.tokens_per_minute)  # fmt: skip

    def identity(self) -> JsonObject:
        p = self.params
        return {"model": p.model, "api": p.api, "extra": p.extra, "revision": p.revision, "choices": p.choices}

    def expect(self) -> None:
        from constitutional.wire.courier import Ahead

        self._ahead = self._ahead or Ahead()

    async def open(self) -> None:
        """Make the client.  Raises `UserError` where the address or the key is missing or wrong."""
        from constitutional.builtin.backends.http import Client

        address = os.environ.get(self.params.base_url_env, "") if self.params.base_url_env else self.params.base_url
        if not address:
            raise UserError(f"model `{self.params.model}` has no address", help="write `base_url:` or `base_url_env:`")
        key = os.environ.get(self.params.api_key_env) if self.params.api_key_env else None
        self._client = Client(address, key, self.params.deadline, self.params.concurrency)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._ahead is not None:
            await self._ahead.close()
            self._ahead = None

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered | NotNow]:
        import asyncio

        if len(batch) == 1:
            return [await self._caught(self._complete(batch[0]))]
        groups = grouped(batch)
        answers = await asyncio.gather(*(self._several([batch[at] for at in places]) for places in groups))
        found = {at: said for places, group in zip(groups, answers, strict=True)
                 for at, said in zip(places, group, strict=True)}  # fmt: skip
        return [found[at] for at in range(len(batch))]

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered | NotNow]:
        import asyncio

        if len(batch) == 1:
            return [await self._caught(self._choose(batch[0]))]
        return list(await asyncio.gather(*(self._caught(self._choose(request)) for request in batch)))

    async def _several(self, requests: Sequence[Request]) -> Sequence[Any]:
        """Samples of one prompt, in one request where that is possible; an error stands for all that it concerns."""
        import asyncio

        said: list[Any] = []
        if len(requests) > 1 and self._groups:
            together = await self._caught(self._together(requests))
            if isinstance(together, Exception):
                return [together] * len(requests)
            said = together[: len(requests)]
            if len(said) < len(requests):
                self._groups = False
                self._once("gives fewer answers than `n` asks for: samples are asked for one by one")
        rest = requests[len(said) :]
        return [*said, *await asyncio.gather(*(self._caught(self._complete(request)) for request in rest))]

    async def _caught(self, answering: Any) -> Any:
        try:
            return await answering
        except (Unanswered, NotNow) as error:
            return error

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _complete(self, request: Request) -> Completion:
        choices, said = await self._ask(request.messages, self._body(request))
        return self._completion(choices[0], *_usage(said))

    async def _together(self, requests: Sequence[Request]) -> list[Completion | Unanswered]:
        """As many of the samples as the server gives; what is wrong with one is no matter of the others."""
        choices, said = await self._ask(requests[0].messages, {**self._body(requests[0]), "n": len(requests)})
        prompt, written = _usage(said)
        share = written // len(choices)
        return [self._one_of_several(choice, 0 if at else prompt, share) for at, choice in enumerate(choices)]

    def _one_of_several(self, choice: Any, prompt: int, written: int) -> Any:
        try:
            return self._completion(choice, prompt, written)
        except (Unanswered, NotNow) as error:
            return error

    def _completion(self, choice: dict[str, Any], prompt_tokens: int, completion_tokens: int) -> Completion:
        text, reason = self._text(choice), str(choice.get("finish_reason") or "stop")
        self._pass_filter(choice, (prompt_tokens, completion_tokens))
        if text is None:
            raise _paid(NotNow("empty", "the answer has no content"), (prompt_tokens, completion_tokens))
        return Completion(text, reason, prompt_tokens, completion_tokens)

    def _pass_filter(self, choice: dict[str, Any], usage: tuple[int, int]) -> None:
        """Raises `Unanswered` where the server's content filter cut the answer, and that is not to be kept."""
        if choice.get("finish_reason") == "content_filter" and self.params.on_filter == "unscored":
            raise _paid(Unanswered("content_filter", (self._text(choice) or "")[:200]), usage)

    def _body(self, request: Request) -> dict[str, Any]:
        """What a request asks for, beside its dialogue."""
        p = self.params
        body: dict[str, Any] = {"temperature": request.temperature, p.length_key: request.max_new_tokens}
        if request.temperature > 0:
            body |= {"top_p": request.top_p} if request.top_p < 1 else {}
            body |= {"seed": (request.seed or 0) % 2**31} if p.send_seed else {}
        if request.stop:
            body["stop"] = list(request.stop)
        if request.json_schema is not None:
            body |= _held_to(json.loads(request.json_schema))
        return body

    async def _choose(self, request: ChoiceRequest) -> Choice:
        if self._weighs:
            longest = max(len(option) for option in request.options)
            asked: dict[str, Any] = {"temperature": 0.0, self.params.length_key: max(1, min(8, longest))}
            asked |= {"logprobs": self.params.top_logprobs} if self.params.api == "completions" else {
                "logprobs": True, "top_logprobs": self.params.top_logprobs}  # fmt: skip
            choices, said = await self._ask(request.messages, asked)
            self._pass_filter(choices[0], _usage(said))
            positions = _positions(choices[0])
            if positions:
                return self._weighed(positions, request, choices[0], said)
            if self.params.choices == "logprobs":
                raise _paid(Unanswered("no-logprobs", "the server gave no log-probabilities"), _usage(said))
            if not self._text(choices[0]):
                raise _paid(NotNow("empty", "the answer has no content"), _usage(said))
            self._once(
                "gives no log-probabilities: options are read from its words, and such votes are marked `parsed`"
            )
            self._weighs = False
        return await self._parsed(request)

    def _weighed(self, positions: Sequence[Position], request: ChoiceRequest, choice: Any, said: Any) -> Choice:
        values = weigh(positions, request.options)
        if values is None:
            raise _paid(Unanswered("no-option", (self._text(choice) or "")[:200]), _usage(said))
        if isinstance(values, Unclear):
            words = f"{values.share:.0%} of the probability may belong to several options"
            raise _paid(Unanswered("unclear-option", words), _usage(said))
        read, written = _usage(said)
        return Choice(values, read, completion_tokens=written)

    async def _parsed(self, request: ChoiceRequest) -> Choice:
        asked: dict[str, Any] = {"temperature": 0.0, self.params.length_key: WORDS}
        held = self.params.choices == "schema"
        if held:
            asked |= {self.params.length_key: 4 * WORDS} | _held_to(_one_of(request.options))
        choices, said = await self._ask(request.messages, asked)
        self._pass_filter(choices[0], _usage(said))
        text = self._text(choices[0])
        if text is None:
            raise _paid(NotNow("empty", "the answer has no content"), _usage(said))
        found = chosen(text, request.options) if held else named(text, request.options)
        if found is None:
            raise _paid(Unanswered("unparseable", text[:200]), _usage(said))
        values = tuple(0.0 if at == found else NOT_NAMED for at in range(len(request.options)))
        read, written = _usage(said)
        return Choice(values, read, parsed=True, completion_tokens=written)

    async def _ask(self, messages: Messages, body: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The choices of the answer, at least one, and the whole answer."""
        assert self._client is not None
        whole = {"model": self._served, **body, **self.params.extra}
        if self.params.api == "chat":
            said = await self._client.post("/chat/completions", {**whole, "messages": to_json(messages)})
        else:
            said = await self._client.post("/completions", {**whole, "prompt": f"{transcript(messages)}\nAssistant:"})
        choices = said.get("choices")
        if not isinstance(choices, list) or not choices or not all(isinstance(choice, dict) for choice in choices):
            raise NotNow("malformed", "the answer has no choices")
        return choices, said

    def _text(self, choice: dict[str, Any]) -> Any:
        """What was said; a refusal is an answer too.  None where there is nothing."""
        if self.params.api == "completions":
            text = choice.get("text")
        else:
            message = choice.get("message")
            message = message if isinstance(message, dict) else {}
            text = message.get("content") if message.get("content") is not None else message.get("refusal")
        return text if isinstance(text, str) else None

    def _once(self, said: str) -> None:
        if said not in self._noticed:
            self._noticed.add(said)
            self.notice(said)


def grouped(batch: Sequence[Request]) -> list[list[int]]:
    """Places in a batch of the requests that differ in nothing but which sample they are."""
    groups: dict[Request, list[int]] = {}
    for at, request in enumerate(batch):
        groups.setdefault(replace(request, sample=0, seed=None), []).append(at)
    return list(groups.values())


def _held_to(schema: JsonObject) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema",
                                "json_schema": {"name": "answer", "strict": True, "schema": schema}}}  # fmt: skip


def _one_of(options: Sequence[str]) -> JsonObject:
    return {"type": "object", "properties": {"choice": {"type": "string", "enum": [o.strip() for o in options]}},
            "required": ["choice"], "additionalProperties": False}  # fmt: skip


def _paid(error: Unanswered | NotNow, usage: tuple[int, int]) -> Unanswered | NotNow:
    """The error with what its useless answer cost."""
    error.usage = usage
    return error


def _usage(said: dict[str, Any]) -> tuple[int, int]:
    usage = said.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    return tuple(count if isinstance(count, int) and count >= 0 else 0 for count in counts)  # type: ignore[return-value]


def _positions(choice: dict[str, Any]) -> list[Position]:
    """The likeliest tokens place by place, in the chat or the older form; empty where the server gave none."""
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return []
    try:
        if isinstance(logprobs.get("content"), list):
            return [_position(entry) for entry in logprobs["content"]]
        tokens, tops = logprobs.get("tokens") or [], logprobs.get("top_logprobs") or []
        return [
            Position(token, {str(t): float(v) for t, v in top.items()}) for token, top in zip(tokens, tops, strict=True)
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotNow("malformed", f"log-probabilities of an unknown form: {error}") from error


def _position(entry: dict[str, Any]) -> Position:
    likely = {str(top["token"]): float(top["logprob"]) for top in entry.get("top_logprobs") or []}
    likely.setdefault(str(entry["token"]), float(entry["logprob"]))
    return Position(str(entry["token"]), likely)
