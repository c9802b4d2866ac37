"""Ask a judge which of two answers follows a principle better, as a question with two options."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import Field

from constitutional.api import (
    Ask,
    Capability,
    Choice,
    ChoiceRequest,
    Constitution,
    DrawMode,
    Pair,
    Principle,
    RowContext,
    RowStage,
    StageParams,
    TemplateName,
    Unanswered,
    Vote,
    derived_row_id,
    row_random,
    transcript,
)
from constitutional.builtin.principles import selected
from constitutional.builtin.templates import template_label

Order: TypeAlias = Literal["ab", "ba"]


class Question(NamedTuple):
    """One question to the judge: a principle, and which answer stands first."""

    principle: Principle
    order: Order


class MultipleChoice(RowStage[Pair, Vote]):
    """Read a judge's probabilities of (A) and (B), in both orders, under one or more principles.

    The method of Bai et al. 2022, section 4.1, asked in both orders as in Lee et al. 2023 (arXiv 2309.00267).  Every
    single answer becomes one vote, as it was given.  What could not be asked or read becomes a vote that abstains and
    says why; where not one question of a pair was answered, the pair is unscored and is tried again on the next run.
    """

    kind, name, version = "labeller", "multiple-choice", 1
    asks: ClassVar = {"model": Ask(Capability.CHOICES)}

    class Params(StageParams):
        """Parameters of `multiple-choice`."""

        principles: Annotated[int, Field(ge=1)] | Literal["all"] = 1
        """How many principles to judge each pair by, drawn by weight; or `all`."""
        groups: tuple[str, ...] | None = None
        """Draw from the principles of these groups only."""
        draw: DrawMode = "weight"
        """How principles are drawn: by `weight` alone; by `group`, groups first and by their own weights; or by
        `priority`, those of the most important group first."""
        without: str | None = None
        """Leave this principle out: with a `matrix` over ids, what each of them adds."""
        orders: Literal["both", "random", "fixed"] = "both"
        """Ask in both orders; in one drawn by chance; or always with the pair's first answer first (biased)."""
        template: TemplateName = "compare/bai2022"
        """The prompt; it is given `transcript`, `first`, `second` and `principle`."""
        options: tuple[str, str] = ("A", "B")
        """The judge's words for the answer shown first and the one shown second, as the template has them."""
        min_mass: float = Field(default=0.05, ge=0.0, le=1.0)
        """A vote abstains where the judge gave the two options together less probability than this."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if len({option.strip() for option in params.options}) < 2 or not all(o.strip() for o in params.options):
            yield "`options` must be two different words"

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """Those that can be drawn.  Raises `UserError` where there are none."""
        return selected(constitution, params.groups, draw=params.draw, without=params.without)

    async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
        """Raises `Unanswered` where not one question was answered."""
        questions = self._questions(row, ctx)
        said = await asyncio.gather(*(self._ask(row, ctx, question) for question in questions))
        unanswered = [answer for answer in said if isinstance(answer, Unanswered)]
        if len(unanswered) == len(said):
            raise unanswered[0]
        return [self._vote(row, ctx, index, question, answer)
                for index, (question, answer) in enumerate(zip(questions, said, strict=True))]  # fmt: skip

    def _questions(self, row: Pair, ctx: RowContext) -> list[Question]:
        """Principles, the first drawn first, each in its orders: asking for more adds to the end."""
        principles = self.sees(self.params, ctx.constitution)
        if self.params.principles != "all":
            principles = ctx.draw(principles, k=self.params.principles)
        return [Question(principle, order) for principle in principles for order in self._orders(row, ctx, principle)]

    def _orders(self, row: Pair, ctx: RowContext, principle: Principle) -> Sequence[Order]:
        if self.params.orders == "both":
            return ("ab", "ba")
        if self.params.orders == "fixed":
            return ("ab",)
        toss = row_random(ctx.seed, f"{self.path}/order/{principle.id}", row.row_id)
        return ("ab",) if toss.random() < 0.5 else ("ba",)

    async def _ask(self, row: Pair, ctx: RowContext, question: Question) -> Choice | Unanswered:
        first, second = (row.first, row.second) if question.order == "ab" else (row.second, row.first)
        shown = ctx.render(self.params.template, transcript=transcript(row.prompt), first=first, second=second,
                           principle=question.principle.to_json())  # fmt: skip
        try:
            return await ctx.choose(ChoiceRequest(shown, self.params.options))
        except Unanswered as unanswered:
            return unanswered

    def _vote(self, row: Pair, ctx: RowContext, index: int, question: Question, said: Choice | Unanswered) -> Vote:
        p_first, mass, abstained = self._reading(said)
        raw = said.detail if isinstance(said, Unanswered) else self._raw(said)
        asked = {"principle": question.principle.id, "order": question.order, "judge": ctx.model_label()}
        vote = row.derive(
            Vote, self.path, index, pair=row.row_id, p_first=p_first, mass=mass, abstained=abstained, raw=raw,
            weight=question.principle.weight, template=template_label(self.params.template), **asked,
        )  # fmt: skip
        # The id stands for the question: the last bits of an answer may differ between batches, and must not move rows.
        return replace(vote, row_id=derived_row_id(self.path, vote.parents, index, asked))

    def _reading(self, said: Choice | Unanswered) -> tuple[float | None, float | None, str | None]:
        """Probability of the answer shown first, mass on both options, and why there is no probability."""
        if isinstance(said, Unanswered):
            return None, None, said.reason
        if len(said.logprobs) != 2 or any(math.isnan(value) for value in said.logprobs):
            return None, None, "unreadable"
        mass = said.mass
        if mass < self.params.min_mass or mass == 0.0:
            return None, mass, "low-mass"
        return said.probabilities[0], mass, None

    def _raw(self, said: Choice) -> str:
        """The log-probabilities as they were read, so that votes can be read again without a call."""
        read = {option: str(value) if math.isinf(value) or math.isnan(value) else value
                for option, value in zip(self.params.options, said.logprobs, strict=False)}  # fmt: skip
        return json.dumps(read | {"parsed": True} if said.parsed else read)
