"""Sample a model: one prompt in, `n` answers out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Capability,
    Completion,
    Forecast,
    Prompt,
    Response,
    RowContext,
    Rows,
    RowStage,
    exactly,
)
from constitutional.builtin.generators.sampling import LENGTH, SamplingParams, ask_all, request, sampling


class Sample(RowStage[Prompt, Response]):
    """Sample answers of a model, each with a random stream of its own (Bai et al. 2022, section 3.1).

    The `i`-th answer of a prompt is the same however many are asked for, and in whatever batch it is made.
    """

    kind, name, version = "generator", "sample", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(SamplingParams):
        """Parameters of `sample`."""

        n: int = Field(default=1, ge=1, le=1024)
        """How many answers to sample for each prompt."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.n > 1 and params.temperature == 0:
            yield f"at temperature 0 all {params.n} answers are the same; raise `temperature` or set `n` to 1"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        asks, said = sampling(ahead, params, exactly(params.n))
        prompts = ahead.rows("prompts")
        count = prompts.count.times(params.n)
        rows = Rows(
            count if params.on_length == "keep" else count.or_less(), prompts.prompt, said, prompts.siblings * params.n
        )
        return Forecast({MAIN: rows}, [asks])

    async def process(self, row: Prompt, ctx: RowContext) -> Sequence[Response]:
        """Raises `Unanswered` where one of the answers is missing: a row has all its samples or none."""
        answers = await ask_all(ctx, [request(row, self.params, sample) for sample in range(self.params.n)])
        kept = [self._response(row, ctx, sample, said) for sample, said in enumerate(answers) if self._wanted(said)]
        if not kept:
            ctx.drop("cut off at max_new_tokens")
        return kept

    def _wanted(self, said: Completion) -> bool:
        return self.params.on_length == "keep" or said.finish_reason != LENGTH

    def _response(self, row: Prompt, ctx: RowContext, sample: int, said: Completion) -> Response:
        flags = () if said.text.strip() else ("empty",)
        return row.derive(Response, self.path, sample, completion=said.text, model=ctx.model_label(), sample=sample,
                          finish_reason=said.finish_reason, flags=flags)  # fmt: skip
