"""Sample two answers to compare."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Capability,
    Completion,
    Forecast,
    Pair,
    Prompt,
    Range,
    RowContext,
    Rows,
    RowStage,
)
from constitutional.builtin.generators.sampling import LENGTH, SamplingParams, ask_all, request, sampling


class PairGenerator(RowStage[Prompt, Pair]):
    """Sample two answers of one model at one temperature (Bai et al. 2022, section 4.1).

    Which of them stands first is a coin toss that belongs to the row, so that position is confounded with nothing:
    neither with temperature nor with which answer was made first.
    """

    kind, name, version = "generator", "pair", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(SamplingParams):
        """Parameters of `pair`."""

        tries: int = Field(default=2, ge=0, le=64)
        """How often to sample the second answer again where it says the same as the first."""
        on_identical: Literal["drop", "keep"] = "drop"
        """What to do with a pair whose answers are still the same: no judge can learn anything from it."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.temperature == 0:
            yield "at temperature 0 both answers are the same; raise `temperature`"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        asks, said = sampling(ahead, params, Range(2, 2 + params.tries))
        prompts = ahead.rows("prompts")
        return Forecast({MAIN: Rows(prompts.count.or_less(), prompts.prompt, said.times(2))}, [asks])

    async def process(self, row: Prompt, ctx: RowContext) -> Sequence[Pair]:
        """Raises `Unanswered` where an answer is missing."""
        one, other = await ask_all(ctx, [request(row, self.params, sample) for sample in (0, 1)])
        other = await self._another(row, ctx, one, other)
        if self.params.on_length == "drop" and LENGTH in (one.finish_reason, other.finish_reason):
            ctx.drop("cut off at max_new_tokens")
        first, second = (one, other) if ctx.random.random() < 0.5 else (other, one)
        label = ctx.model_label()
        return [row.derive(Pair, self.path, first=first.text, second=second.text, models=(label, label))]

    async def _another(self, row: Prompt, ctx: RowContext, one: Completion, other: Completion) -> Completion:
        """`other`, or a new sample that differs from `one`."""
        for sample in range(2, 2 + self.params.tries):
            if not _same(one, other):
                return other
            other = await ctx.ask(request(row, self.params, sample))
        if _same(one, other) and self.params.on_identical == "drop":
            ctx.drop("identical")
        return other


def _same(one: Completion, other: Completion) -> bool:
    return one.text.split() == other.text.split()
