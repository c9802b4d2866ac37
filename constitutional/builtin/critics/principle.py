"""Critique an answer by one drawn principle."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Asking,
    Capability,
    Constitution,
    Critique,
    DrawMode,
    Forecast,
    Principle,
    Request,
    Response,
    RowContext,
    RowStage,
    StageParams,
    TemplateName,
    Unanswered,
    exactly,
    up_to,
)
from constitutional.builtin.patterns import Pattern
from constitutional.builtin.principles import selected
from constitutional.builtin.templates import template_label


class PrincipleCritic(RowStage[Response, Critique]):
    """Ask a model how an answer falls short of one drawn principle (Bai et al. 2022, section 3.1).

    Which principle a row meets depends on the row and on how many rounds it has behind it; it is kept by its id.
    """

    kind, name, version = "critic", "principle", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `principle`."""

        template: TemplateName = "critique/bai2022"
        """The prompt; it is given `prompt`, `response` and `principle`."""
        groups: tuple[str, ...] | None = None
        """Draw from the principles of these groups only."""
        principles: tuple[str, ...] | None = None
        """Draw from the principles with these ids only."""
        draw: DrawMode = "weight"
        """How principles are drawn: by `weight` alone; by `group`, groups first and by their own weights; or by
        `priority`, those of the most important group first."""
        without: str | None = None
        """Leave this principle out: with a `matrix` over ids, what each of them adds."""
        no_violation: Pattern = r"^\W*no violation\b"
        """A regular expression, in any case: a critique that begins so found nothing, and the answer may stay."""
        temperature: float = Field(default=0.0, ge=0.0, le=10.0)
        """How freely to sample the critique; 0 always takes the most likely token."""
        max_new_tokens: int = Field(default=256, ge=1)
        """A critique is cut off after this many tokens."""
        stop: tuple[str, ...] = ()
        """Texts that end a critique."""
        on_length: Literal["keep", "drop"] = "keep"
        """What to do with a row whose critique was cut off."""

    params: Params

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """Those that can be drawn.  Raises `UserError` where there are none."""
        return selected(constitution, params.groups, params.principles, params.draw, params.without)

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("responses")
        reads = rows.text.plus(exactly(ahead.templates[params.template])).plus(ahead.principle())
        count = rows.count if params.on_length == "keep" else rows.count.or_less()
        said = rows.said.plus(up_to(params.max_new_tokens))
        asks = Asking("model", rows.count, reads, params.max_new_tokens)
        return Forecast({MAIN: replace(rows, count=count, said=said)}, [asks])

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Critique]:
        """Raises `Unanswered` where the critic is silent: that is neither a violation nor the lack of one."""
        (principle,) = ctx.draw(self.sees(self.params, ctx.constitution), round=len(row.rounds))
        said = await ctx.ask(self._request(row, ctx, principle))
        text = said.text.strip()
        if not text:
            raise Unanswered("empty critique")
        if said.finish_reason == "length" and self.params.on_length == "drop":
            ctx.drop("critique cut off at max_new_tokens")
        return [row.derive(Critique, self.path, principle=principle.id, critique=text, violation=self.violation(text),
                           critic=ctx.model_label(), template=template_label(self.params.template))]  # fmt: skip

    def violation(self, critique: str) -> bool:
        """Whether a critique found something."""
        return re.match(self.params.no_violation, critique, re.IGNORECASE) is None

    def _request(self, row: Response, ctx: RowContext, principle: Principle) -> Request:
        shown = ctx.render(self.params.template, prompt=row.prompt, response=row.completion,
                           principle=principle.to_json())  # fmt: skip
        return Request(shown, max_new_tokens=self.params.max_new_tokens, temperature=self.params.temperature,
                       stop=self.params.stop, sample=row.sample)  # fmt: skip
