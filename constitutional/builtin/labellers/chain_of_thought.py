"""Let a judge reason about two answers first, then read its probabilities given that reasoning."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    Ahead,
    Capability,
    ChoiceRequest,
    Forecast,
    Message,
    Pair,
    Request,
    RowContext,
    RowStage,
    TemplateName,
    Vote,
    assistant,
    transcript,
)
from constitutional.builtin.labellers import judging
from constitutional.builtin.labellers.ahead import Put, labelling
from constitutional.builtin.labellers.comparing import PairParams, Question, orders, questions, tossed, votes
from constitutional.builtin.labellers.judging import Answer, answers, read, shares
from constitutional.builtin.labellers.reasoning import REFUSAL, trouble
from constitutional.builtin.labellers.shots import ReasonedShot, WithShots, compared, joined
from constitutional.builtin.patterns import Pattern


class ChainOfThought(WithShots, RowStage[Pair, Vote]):
    """Ask for reasons, then for the answer, and read the options' probabilities given those reasons.

    After Bai et al. 2022, section 4.1: reasoning makes a judge nearly certain, so its probability is held between 40 and
    60 %, or between what `clamp` says.  The vote's `raw` keeps the reasoning and the probability as it was.  With
    `samples`, the reasoning is drawn several times and each gives a vote of its own (self-consistency; Lee et al. 2023,
    arXiv 2309.00267, found that it lowers the agreement with people).  Reasoning that is cut off, empty or a refusal
    is an abstention that says so.
    """

    kind, name, version = "labeller", "chain-of-thought", 1
    asks: ClassVar = judging.asks(Capability.TEXT | Capability.CHOICES)

    class Params(PairParams):
        """Parameters of `chain-of-thought`."""

        template: TemplateName = "cot/bai2022"
        """The prompt for the reasoning; it is given `transcript`, `first`, `second` and `principle`."""
        answer: TemplateName = "cot/answer"
        """The prompt for the answer; it is given that dialogue as `question`, and `reasoning`."""
        shots: tuple[ReasonedShot, ...] = ()
        """Examples with their reasoning, before the question."""
        clamp: tuple[float, float] | None = (0.4, 0.6)
        """Hold the probability of the answer shown first between these; `null` leaves it as it is."""
        samples: int = Field(default=1, ge=1, le=64)
        """How often to reason about each question; each sample is one vote."""
        temperature: float = Field(default=0.0, ge=0.0, le=10.0)
        """How freely to sample the reasoning; several samples need more than 0."""
        max_new_tokens: int = Field(default=512, ge=1)
        """Reasoning that is longer is cut off, and the vote abstains."""
        refusal: Pattern = REFUSAL
        """A regular expression, in any case: reasoning that begins so refuses to judge; empty for none."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        yield from judging.alike(params.options)
        if params.samples > 1 and params.temperature == 0:
            yield "`samples` are all the same at `temperature: 0`: give a temperature"
        if params.clamp is not None and not 0.0 <= params.clamp[0] < params.clamp[1] <= 1.0:
            yield "`clamp` must be two rising numbers from 0 to 1, such as [0.4, 0.6]"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        several, long = orders(params).times(params.samples), params.max_new_tokens
        return labelling(params, ahead, "pairs", several, Put(params.template, writes=long),
                         Put(params.answer, besides=ahead.templates[params.template] + long))  # fmt: skip

    async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
        """Raises `Unanswered` where not one question was answered."""
        asked = questions(row, self.params, self.path, ctx, self.params.samples)
        said = await answers(self._ask(row, ctx, question) for question in asked)
        return votes(row, self.path, asked, said, self.params.template)

    async def _ask(self, row: Pair, ctx: RowContext, question: Question) -> Answer:
        p, judge = self.params, question.judge.port
        first, second = question.shown(row)
        asked = ctx.render(p.template, transcript=transcript(row.prompt), first=first, second=second,
                           principle=question.principle.to_json())  # fmt: skip
        before = self._examples(row, ctx, question)
        request = Request(joined(before, asked), max_new_tokens=p.max_new_tokens, temperature=p.temperature,
                          sample=question.sample)  # fmt: skip
        reasons = await ctx.ask(request, model=judge)
        why_not = trouble(reasons, p.refusal)
        if why_not is not None:
            return Answer(None, None, why_not, json.dumps({"reasoning": reasons.text}))
        text = reasons.text.strip()
        shown = joined(before, ctx.render(p.answer, question=asked, reasoning=text))
        said = await ctx.choose(ChoiceRequest(shown, p.options), model=judge)
        found = shares(said, p.options, p.min_mass)
        p_first = None if found.of is None else found.of[0]
        raw = json.dumps({"reasoning": text, "p_first": p_first, **read(said, p.options)})
        return Answer(None if p_first is None else self._held(p_first), found.mass, found.abstained, raw)

    def _held(self, p_first: float) -> float:
        low, high = self.params.clamp or (0.0, 1.0)
        return min(max(p_first, low), high)

    def _examples(self, row: Pair, ctx: RowContext, question: Question) -> list[Message]:
        """Examples with their reasoning, as the dialogues that they would have been."""
        p, principle = self.params, question.principle
        swapped = tossed(ctx, f"{self.path}/shots/{principle.id}", row.row_id) != (question.order == "ba")
        turns: list[Message] = []
        for shot, example in compared(p.shots, principle, p.options, ctx.constitution, swapped):
            asked = ctx.render(p.template, **example.values)
            turns += [*ctx.render(p.answer, question=asked, reasoning=shot.reasoning), assistant(example.answer)]
        return turns
