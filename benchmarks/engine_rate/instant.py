"""A model that answers at once, and a stage that only asks it: what remains is the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from constitutional.api import (
    Ask,
    Backend,
    BackendParams,
    Capability,
    Completion,
    JsonObject,
    Prompt,
    Request,
    Response,
    RowContext,
    RowStage,
    StageParams,
    hookimpl,
)


class InstantParams(BackendParams):
    """Parameters of `instant`."""

    model: str = "instant"
    """A name."""


class Instant(Backend):
    """Says the same to everything."""

    name, version, Params = "instant", 1, InstantParams
    gives = Capability.TEXT
    batch_size = 256

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion]:
        return [Completion("An answer of some forty letters, no more.", "stop", 10, 10) for _ in batch]

    def identity(self) -> JsonObject:
        return {}


class Say(RowStage[Prompt, Response]):
    """Ask once."""

    kind, name, version = "generator", "say", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `say`."""

        turn: int = 0
        """Tells the stages of a chain apart."""

    params: Params

    async def process(self, row: Prompt, ctx: RowContext) -> Sequence[Response]:
        """Raises `Unanswered` never."""
        said = await ctx.ask(Request(row.prompt, max_new_tokens=self.params.turn + 1))
        return [row.derive(Response, self.path, completion=said.text, model=ctx.model_label())]


@hookimpl
def constitutional_backends() -> list[type[Backend]]:
    return [Instant]


@hookimpl
def constitutional_stages() -> list[type]:
    return [Say]
