"""What all generators share: how a prompt is put to a model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from constitutional.api import (
    Ahead,
    Asking,
    Completion,
    Message,
    Messages,
    Prompt,
    Range,
    Request,
    RowContext,
    StageParams,
    exactly,
    tokens,
    up_to,
)

#: The `finish_reason` of a text that ended because it was long enough.
LENGTH = "length"


class SamplingParams(StageParams):
    """Parameters of everything that samples a model."""

    temperature: float = Field(default=1.0, ge=0.0, le=10.0)
    """How freely to sample; 1 is the model's own distribution, 0 always takes the most likely token."""
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    """Sample among the most likely tokens that together have this probability; 1 leaves none out."""
    max_new_tokens: int = Field(default=256, ge=1)
    """An answer is cut off after this many tokens."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer; they are not part of it."""
    system: str | None = None
    """A system message for the asked model alone: it is not kept in the rows, so that training does without it."""
    on_length: Literal["keep", "drop"] = "keep"
    """What to do with an answer that was cut off: keep it, marked by its `finish_reason`, or drop it."""


def dialogue(row: Prompt, system: str | None) -> Messages:
    """The row's dialogue, opened by `system`, which takes the place of a system message that is there already."""
    if system is None:
        return row.prompt
    turns = tuple(turn for turn in row.prompt if turn.role != "system")
    return (Message("system", system), *turns)


def request(row: Prompt, params: SamplingParams, sample: int) -> Request:
    """The `sample`-th question about a row; its randomness follows from (row, sample) alone."""
    return Request(dialogue(row, params.system), max_new_tokens=params.max_new_tokens, temperature=params.temperature,
                   top_p=params.top_p, stop=params.stop, sample=sample)  # fmt: skip


async def ask_all(ctx: RowContext, requests: Iterable[Request]) -> list[Completion]:
    """Ask at once and wait for all, so that no answer that was paid for is lost.

    Raises:
        Unanswered: the first, in the order of the requests.
    """
    import asyncio

    said = await asyncio.gather(*(ctx.ask(one) for one in requests), return_exceptions=True)
    answers = []
    for answer in said:
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers


def sampling(ahead: Ahead, params: SamplingParams, each: Range) -> tuple[Asking, Range]:
    """What asking `each` times for every prompt comes to, and the tokens of one answer."""
    prompts = ahead.rows("prompts")
    reads = prompts.prompt.plus(exactly(tokens(params.system or "")))
    return Asking("model", prompts.count.by(each), reads, params.max_new_tokens), up_to(params.max_new_tokens)
