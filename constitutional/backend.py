"""Backends: ways to ask a model.

A backend answers batches; the engine decides what waits together, remembers every answer and hands out the rest.
What cannot be answered comes back as `Unanswered(reason)` in its place: one bad row never sinks its neighbours.  What
cannot be answered *now* comes back as `NotNow(reason)` and is asked again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path
from typing import ClassVar

from constitutional.errors import NotNow, Unanswered
from constitutional.ids import JsonObject
from constitutional.parameters import BackendParams
from constitutional.records import Messages, to_json


class Capability(Flag):
    """What a backend can give and a stage may ask for."""

    TEXT = auto()
    #: Log-probabilities of whole option strings.
    CHOICES = auto()
    #: Scores of a reward model.
    SCORES = auto()
    #: Text that is held to a JSON Schema while it is made.
    JSON = auto()
    #: Log-probabilities of the tokens of a given text.
    LIKELIHOOD = auto()


@dataclass(frozen=True, slots=True)
class Request:
    """A dialogue to continue.  `seed` belongs to the row: the same seed gives the same text at any batch size."""

    messages: Messages
    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    #: Which of several samples of one row this is.
    sample: int = 0
    #: Set by the engine from (seed, stage, row, sample) where the stage leaves it open.
    seed: int | None = None
    #: A JSON Schema, as text, that the answer has to follow; an answer that is no JSON comes back as `Unanswered`.
    json_schema: str | None = None

    def seeded(self, seed: int) -> Request:
        """The same with a seed; `dataclasses.replace` takes twice as long, and every call of a model would feel it."""
        return Request(self.messages, self.max_new_tokens, self.temperature, self.top_p, self.stop, self.sample, seed,
                       self.json_schema)  # fmt: skip

    def identity(self) -> JsonObject:
        """What decides the answer, beside the model."""
        sampled = {} if self.temperature == 0 else {"seed": self.seed, "sample": self.sample, "top_p": self.top_p}
        form = {} if self.json_schema is None else {"json_schema": self.json_schema}
        return {"messages": to_json(self.messages), "max_new_tokens": self.max_new_tokens,
                "temperature": self.temperature, "stop": list(self.stop), **sampled, **form}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model said.  `finish_reason` is `stop`, `length` or the server's own word."""

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """A dialogue and the option strings whose log-probabilities are wanted as the assistant's whole answer."""

    messages: Messages
    options: tuple[str, ...]

    def identity(self) -> JsonObject:
        return {"messages": to_json(self.messages), "options": list(self.options)}


@dataclass(frozen=True, slots=True)
class Choice:
    """Natural log-probabilities of the option strings, in the order of the request; not normalised."""

    logprobs: tuple[float, ...]
    prompt_tokens: int = 0
    #: The model named one option in words and gave no probabilities: the named one has all of it.
    parsed: bool = False
    #: What the model wrote, where options are weighed by writing.
    completion_tokens: int = 0

    @property
    def probabilities(self) -> tuple[float, ...]:
        """Shares of the options, which add up to one."""
        top = max(self.logprobs)
        shares = [math.exp(value - top) for value in self.logprobs]
        return tuple(share / sum(shares) for share in shares)

    @property
    def mass(self) -> float:
        """The whole probability that fell on the options: low where the model wanted to say something else."""
        return min(1.0, sum(math.exp(value) for value in self.logprobs))


@dataclass(frozen=True, slots=True)
class LikelihoodRequest:
    """A dialogue and a text whose log-probability is wanted as the assistant's answer.

    `ended` counts the end of the turn after the text, too; leave it out for a text that was cut off.
    """

    messages: Messages
    completion: str
    ended: bool = True

    def identity(self) -> JsonObject:
        return {"messages": to_json(self.messages), "completion": self.completion, "ended": self.ended}


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Token ids of a text, with the end of the turn where it was asked for, and the natural log-probability of each.

    The text is encoded anew: a model may have written the same text in other tokens.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    #: Tokens that were read before the text.
    prompt_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long the engine asks a model that answers `NotNow`; waits are seconds."""

    #: How often one question is asked at most.
    attempts: int = 1
    first_wait: float = 0.1
    longest_wait: float = 30.0
    #: A model that has answered nothing for so long stops the run, which can be resumed.
    give_up_after: float = 1800.0
    #: Ask less at once where the server says it is too much, and more again while it keeps up.
    adaptive: bool = True
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Backend(ABC):
    """One configured way to ask one model.

    The constructor must be cheap: weights are loaded and connections made in `open`.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Params: ClassVar[type[BackendParams]]
    gives: ClassVar[Capability]

    #: Tells the user something about this model, once: set by the engine.
    notice: Callable[[str], None] = staticmethod(lambda said: None)

    #: A folder for logs that outlives the run: set by the engine.
    workdir: Path | None = None

    def __init__(self, params: BackendParams) -> None:
        self.params = params

    @property
    def claims(self) -> frozenset[str]:
        """What only one open backend may have at a time, such as `gpu:0`; nothing by default."""
        return frozenset()

    @property
    def batch_size(self) -> int:
        """How many requests `generate` and `choose` want at once, at most."""
        return 64

    @property
    def parallel(self) -> int:
        """How many batches may be in flight at the same time: 1 for a model in this process."""
        return 1

    @property
    def price(self) -> tuple[float, float] | None:
        """Dollars per million tokens of prompts and of answers; None where it is not known."""
        return (0.0, 0.0)

    @property
    def patience(self) -> Patience:
        """What to do about `NotNow`: a model in this process is asked once."""
        return Patience()

    def expect(self) -> None:
        """Questions will come soon: start what takes a while, without waiting for it.

        A backend that does so is closed even where it was never opened.
        """

    async def open(self) -> None:
        """Load or connect; called once, before the first batch."""

    @abstractmethod
    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered | NotNow]:
        """Answer each request, in order."""

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered | NotNow]:
        """Score each request's options, in order.  Needed where `gives` names CHOICES."""
        raise NotImplementedError(f"backend `{self.name}` gives no choices")

    async def weigh(self, batch: Sequence[LikelihoodRequest]) -> Sequence[Likelihood | Unanswered | NotNow]:
        """Score each request's text, token by token, in order.  Needed where `gives` names LIKELIHOOD."""
        raise NotImplementedError(f"backend `{self.name}` gives no log-probabilities of given texts")

    async def close(self) -> None:
        """Free memory and connections."""

    @abstractmethod
    def identity(self) -> JsonObject:
        """What decides this model's answers: weights by content, template, precision; never a path or a batch size."""

    @classmethod
    def label(cls, params: BackendParams) -> str:
        """The model's name for people and for the `model` column of rows."""
        return str(getattr(params, "model", cls.name))

    @classmethod
    def weights(cls, params: BackendParams) -> str | None:
        """Where a trainer finds this model's weights: a folder or a hub name; None where there are none to be had."""
        return None

    @classmethod
    def trained(cls, params: BackendParams, folder: Path) -> BackendParams:
        """The same backend with the weights (or adapter) that a trainer left in `folder`."""
        raise NotImplementedError(f"backend `{cls.name}` cannot serve weights trained here")
