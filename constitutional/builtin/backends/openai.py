"""Any server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, TGI, Ollama, `transformers serve`, OpenAI."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from constitutional.builtin.backends.options import NOT_NAMED, Position, named, weigh

if TYPE_CHECKING:
    from constitutional.builtin.backends.http import Client

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

    choices: Literal["auto", "logprobs", "words"] = "auto"
    """How options are weighed: by log-probabilities; by the words of an answer; or as the server can, which is said."""

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

    name, version, Params = "openai", 1, OpenAIParams
    gives = Capability.TEXT | Capability.CHOICES
    params: OpenAIParams
    batch_size = 1

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._client: Client | None = None
        self._served = self.params.model
        self._weighs = self.params.choices != "words"
        self._noticed: set[str] = set()

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

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered | NotNow]:
        return [await self._caught(self._complete(request)) for request in batch]

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered | NotNow]:
        return [await self._caught(self._choose(request)) for request in batch]

    async def _caught(self, answering: Any) -> Any:
        try:
            return await answering
        except (Unanswered, NotNow) as error:
            return error

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _complete(self, request: Request) -> Completion:
        choice, said = await self._ask(request.messages, self._body(request))
        text, reason = self._text(choice), str(choice.get("finish_reason") or "stop")
        if reason == "content_filter" and self.params.on_filter == "unscored":
            raise _paid(Unanswered("content_filter", (text or "")[:200]), said)
        if text is None:
            raise _paid(NotNow("empty", "the answer has no content"), said)
        return Completion(text, reason, *_usage(said))

    def _body(self, request: Request) -> dict[str, Any]:
        """What a request asks for, beside its dialogue."""
        p = self.params
        body: dict[str, Any] = {"temperature": request.temperature, p.length_key: request.max_new_tokens}
        if request.temperature > 0:
            body |= {"top_p": request.top_p} if request.top_p < 1 else {}
            body |= {"seed": (request.seed or 0) % 2**31} if p.send_seed else {}
        if request.stop:
            body["stop"] = list(request.stop)
        return body

    async def _choose(self, request: ChoiceRequest) -> Choice:
        if self._weighs:
            longest = max(len(option) for option in request.options)
            asked: dict[str, Any] = {"temperature": 0.0, self.params.length_key: max(1, min(8, longest))}
            asked |= {"logprobs": self.params.top_logprobs} if self.params.api == "completions" else {
                "logprobs": True, "top_logprobs": self.params.top_logprobs}  # fmt: skip
            choice, said = await self._ask(request.messages, asked)
            positions = _positions(choice)
            if positions:
                return self._weighed(positions, request, choice, said)
            if self.params.choices == "logprobs":
                raise _paid(Unanswered("no-logprobs", "the server gave no log-probabilities"), said)
            self._once(
                "gives no log-probabilities: options are read from its words, and such votes are marked `parsed`"
            )
            self._weighs = False
        return await self._parsed(request)

    def _weighed(self, positions: Sequence[Position], request: ChoiceRequest, choice: Any, said: Any) -> Choice:
        values = weigh(positions, request.options)
        if values is None:
            raise _paid(Unanswered("no-option", (self._text(choice) or "")[:200]), said)
        read, written = _usage(said)
        return Choice(values, read, completion_tokens=written)

    async def _parsed(self, request: ChoiceRequest) -> Choice:
        choice, said = await self._ask(request.messages, {"temperature": 0.0, self.params.length_key: WORDS})
        text = self._text(choice)
        if text is None:
            raise _paid(NotNow("empty", "the answer has no content"), said)
        found = named(text, request.options)
        if found is None:
            raise _paid(Unanswered("unparseable", text[:200]), said)
        values = tuple(0.0 if at == found else NOT_NAMED for at in range(len(request.options)))
        read, written = _usage(said)
        return Choice(values, read, parsed=True, completion_tokens=written)

    async def _ask(self, messages: Messages, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first choice of the answer, and the whole answer."""
        assert self._client is not None
        whole = {"model": self._served, **body, **self.params.extra}
        if self.params.api == "chat":
            said = await self._client.post("/chat/completions", {**whole, "messages": to_json(messages)})
        else:
            said = await self._client.post("/completions", {**whole, "prompt": f"{transcript(messages)}\nAssistant:"})
        choices = said.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            raise NotNow("malformed", "the answer has no choices")
        return choices[0], said

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


def _paid(error: Unanswered | NotNow, said: dict[str, Any]) -> Unanswered | NotNow:
    """The error with what its useless answer cost."""
    error.usage = _usage(said)
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
