"""What all labellers share that ask a judge: who is asked, by which principles, and what counts as an answer."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from constitutional.api import (
    Ask,
    Capability,
    Choice,
    Constitution,
    DrawMode,
    Principle,
    RowContext,
    StageParams,
    Unanswered,
)
from constitutional.builtin.principles import selected

LOW_MASS, UNREADABLE = "low-mass", "unreadable"


def asks(capability: Capability) -> Mapping[str, Ask]:
    """One judge as `model`, or several by label as `models`."""
    return {"model": Ask(capability), "models": Ask(capability, labelled=True, instead_of="model")}


class JudgeParams(StageParams):
    """Parameters of every labeller that asks a judge."""

    principles: Annotated[int, Field(ge=1)] | Literal["all"] = 1
    """How many principles to judge each row by, drawn by weight; or `all`."""
    groups: tuple[str, ...] | None = None
    """Draw from the principles of these groups only."""
    draw: DrawMode = "weight"
    """How principles are drawn: by `weight` alone; by `group`, groups first and by their own weights; or by
    `priority`, those of the most important group first."""
    without: str | None = None
    """Leave this principle out: with a `matrix` over ids, what each of them adds."""
    min_mass: float = Field(default=0.05, ge=0.0, le=1.0)
    """An answer is an abstention where the judge gave the options together less probability than this."""


class Judge(NamedTuple):
    """A model that is asked: the port it stands at, and its name in rows."""

    port: str
    label: str


def judges(ctx: RowContext) -> Sequence[Judge]:
    """The judges, each a name of its own: under `models` its label there, else what the model is called."""
    return [Judge(port, port.partition(".")[2] or ctx.model_label(port)) for port in ctx.model_names]


def drawn(params: Any, ctx: RowContext, constitution: Constitution) -> Sequence[Principle]:
    """The principles that this row is judged by, the first drawn first: asking for more adds to the end."""
    principles = to_draw_from(params, constitution)
    return principles if params.principles == "all" else ctx.draw(principles, k=params.principles)


def to_draw_from(params: Any, constitution: Constitution) -> Sequence[Principle]:
    """The principles that can be drawn.  Raises `UserError` where there are none."""
    draw: DrawMode = "weight" if params.principles == "all" else params.draw
    return selected(constitution, params.groups, draw=draw, without=params.without)


class Answer(NamedTuple):
    """What one question came to: a number, or the reason why there is none; and what was read."""

    value: float | None
    mass: float | None = None
    abstained: str | None = None
    raw: str = ""


class Shares(NamedTuple):
    """Probabilities of the options, which add up to one; None where they mean nothing, with the reason."""

    of: tuple[float, ...] | None
    mass: float | None = None
    abstained: str | None = None


def shares(said: Choice, options: Sequence[str], min_mass: float) -> Shares:
    """What the judge gave each option; nothing where it wanted to say something else, or numbers are missing."""
    if len(said.logprobs) != len(options) or any(math.isnan(value) for value in said.logprobs):
        return Shares(None, None, UNREADABLE)
    mass = said.mass
    if mass < min_mass or mass == 0.0:
        return Shares(None, mass, LOW_MASS)
    return Shares(said.probabilities, mass)


def read(said: Choice, options: Sequence[str]) -> dict[str, Any]:
    """The log-probabilities as they were read, so that votes can be read again without a call.

    `parsed` stands there where the judge named an option in words and gave no probabilities.
    """
    values = {option: str(value) if math.isinf(value) or math.isnan(value) else value
              for option, value in zip(options, said.logprobs, strict=False)}  # fmt: skip
    return values | {"parsed": True} if said.parsed else values


def first_of_two(said: Choice, options: Sequence[str], min_mass: float) -> Answer:
    """The probability of the first option."""
    found = shares(said, options, min_mass)
    value = None if found.of is None else found.of[0]
    return Answer(value, found.mass, found.abstained, json.dumps(read(said, options)))


async def answers(asking: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """All answers, in order; a question that got none is an abstention with the model's reason.

    Raises:
        Unanswered: where not one question of a row was answered: the row is unscored and tried again on the next run.
    """
    import asyncio

    said = await asyncio.gather(*(_caught(one) for one in asking))
    unanswered = [one for one in said if isinstance(one, Unanswered)]
    if said and len(unanswered) == len(said):
        raise unanswered[0]
    return [Answer(None, None, one.reason, one.detail) if isinstance(one, Unanswered) else one for one in said]


async def _caught(one: Awaitable[Answer]) -> Answer | Unanswered:
    try:
        return await one
    except Unanswered as unanswered:
        return unanswered


def alike(options: tuple[str, str]) -> Iterable[str]:
    """A sentence for the user where the two options cannot be told apart."""
    first, second = (option.strip() for option in options)
    if not first or not second or first == second:
        yield "`options` must be two different words"
