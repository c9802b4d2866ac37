"""Ask a judge which of two answers follows a principle better, as a question with two options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from constitutional.api import (
    Ahead,
    Capability,
    ChoiceRequest,
    Forecast,
    Messages,
    Pair,
    RowContext,
    RowStage,
    TemplateName,
    Vote,
    transcript,
)
from constitutional.builtin.labellers import judging
from constitutional.builtin.labellers.ahead import Put, labelling
from constitutional.builtin.labellers.comparing import PairParams, Question, orders, questions, tossed, votes
from constitutional.builtin.labellers.judging import Answer, answers, first_of_two
from constitutional.builtin.labellers.shots import Shot, WithShots, compared, few_shot, own_examples


class MultipleChoice(WithShots, RowStage[Pair, Vote]):
    """Read a judge's probabilities of (A) and (B), in both orders, under one or more principles.

    The method of Bai et al. 2022, section 4.1, asked in both orders as in Lee et al. 2023 (arXiv 2309.00267).  Every
    single answer becomes one vote, as it was given.  What could not be asked or read becomes a vote that abstains and
    says why; where not one question of a pair was answered, the pair is unscored and is tried again on the next run.
    """

    kind, name, version = "labeller", "multiple-choice", 1
    asks: ClassVar = judging.asks(Capability.CHOICES)

    class Params(PairParams):
        """Parameters of `multiple-choice`."""

        template: TemplateName = "compare/bai2022"
        """The prompt; it is given `transcript`, `first`, `second` and `principle`."""
        shots: Annotated[int, Field(ge=0, le=32)] | tuple[Shot, ...] = 0
        """Examples before the question: so many of the principle's own, or those written here."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        return judging.alike(params.options)

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        return labelling(params, ahead, "pairs", orders(params), Put(params.template))

    async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
        """Raises `Unanswered` where not one question was answered."""
        asked = questions(row, self.params, self.path, ctx)
        said = await answers(self._ask(row, ctx, question) for question in asked)
        return votes(row, self.path, asked, said, self.params.template)

    async def _ask(self, row: Pair, ctx: RowContext, question: Question) -> Answer:
        p = self.params
        said = await ctx.choose(ChoiceRequest(self._shown(row, ctx, question), p.options), model=question.judge.port)
        return first_of_two(said, p.options, p.min_mass)

    def _shown(self, row: Pair, ctx: RowContext, question: Question) -> Messages:
        p, principle = self.params, question.principle
        shots = own_examples(principle, p.shots) if isinstance(p.shots, int) else p.shots
        swapped = tossed(ctx, f"{self.path}/shots/{principle.id}", row.row_id) != (question.order == "ba")
        examples = [example for _, example in compared(shots, principle, p.options, ctx.constitution, swapped)]
        first, second = question.shown(row)
        return few_shot(ctx, p.template, examples, transcript=transcript(row.prompt), first=first, second=second,
                        principle=principle.to_json())  # fmt: skip
