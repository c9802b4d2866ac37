"""Ask a judge for a score of one answer, and read the score that it expects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    Ahead,
    Capability,
    ChoiceRequest,
    Forecast,
    Rating,
    Response,
    RowContext,
    RowStage,
    TemplateName,
    exactly,
    transcript,
)
from constitutional.builtin.labellers import judging
from constitutional.builtin.labellers.ahead import Put, labelling
from constitutional.builtin.labellers.judging import Answer, JudgeParams, answers, read, shares
from constitutional.builtin.labellers.rating import Question, Scale, questions, ratings
from constitutional.builtin.labellers.shots import Example, RatedShot, WithShots, about, few_shot, said_by_user


class Score(WithShots, RowStage[Response, Rating]):
    """Rate answers from 1 to 10: the mean of the scores by the probability that the judge gives each.

    The direct rating of d-RLAIF (Lee et al. 2023, arXiv 2309.00267, section 3.2).  Scores are weighed as texts, not as
    single tokens: "10" is more than one token for most tokenizers.  The scale is the judge's own; a debiaser brings it
    to 0 to 1.
    """

    kind, name, version = "labeller", "score", 1
    asks: ClassVar = judging.asks(Capability.CHOICES)

    class Params(JudgeParams):
        """Parameters of `score`."""

        low: int = Field(default=1, ge=0, le=99)
        """The worst score."""
        high: int = Field(default=10, ge=1, le=100)
        """The best score."""
        template: TemplateName = "score/rlaif"
        """The prompt; it is given `transcript`, `response`, `principle`, `low` and `high`."""
        shots: tuple[RatedShot, ...] = ()
        """Examples before the question; the `answer` of each is a score."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.low >= params.high:
            yield "`low` must be less than `high`"
        scores = {str(score) for score in range(params.low, params.high + 1)}
        yield from (f"the `answer` of an example is `{shot.answer}`, which is no score from {params.low} to {params.high}"
                    for shot in params.shots if shot.answer not in scores)  # fmt: skip

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        return labelling(params, ahead, "responses", exactly(1), Put(params.template))

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Rating]:
        """Raises `Unanswered` where not one question was answered."""
        asked = questions(self.params, ctx)
        said = await answers(self._ask(row, ctx, question) for question in asked)
        scale = Scale("score", float(self.params.low), float(self.params.high))
        return ratings(row, self.path, asked, said, scale, self.params.template)

    async def _ask(self, row: Response, ctx: RowContext, question: Question) -> Answer:
        p = self.params
        scores = range(p.low, p.high + 1)
        scale = {"low": p.low, "high": p.high}
        examples = [
            Example({"transcript": said_by_user(shot.prompt), "response": shot.response, **scale,
                     "principle": about(shot, question.principle, ctx.constitution).to_json()}, shot.answer)
            for shot in p.shots
        ]  # fmt: skip
        shown = few_shot(ctx, p.template, examples, transcript=transcript(row.prompt), response=row.completion,
                         principle=question.principle.to_json(), **scale)  # fmt: skip
        options = tuple(str(score) for score in scores)
        said = await ctx.choose(ChoiceRequest(shown, options), model=question.judge.port)
        found = shares(said, options, p.min_mass)
        return Answer(expected(scores, found.of), found.mass, found.abstained, json.dumps(read(said, options)))


def expected(scores: Sequence[int], of: Sequence[float] | None) -> float | None:
    """The expected score, held to the scale against rounding."""
    if of is None:
        return None
    return min(max(math.fsum(score * share for score, share in zip(scores, of, strict=True)), scores[0]), scores[-1])
