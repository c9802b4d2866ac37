"""From ratings of steps to labels of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from constitutional.api import DataError, Rating, StageParams, StepLabels
from constitutional.builtin.debiasers.ratings import by_response, scored, value
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, many
from constitutional.builtin.math.probability import weighted_mean

UNRATED = "a step has no usable rating"


class Steps(Debiaser):
    """What the ratings of a response's steps come to: for each step whether it is right, and how probably.

    Ratings of one step are averaged by the weight of their principles.  A response with a step that nobody could rate
    abstains as a whole: a step of unknown worth is neither right nor wrong.
    """

    name, version = "steps", 1
    takes: ClassVar = many(Rating, "ratings of single steps")
    on: ClassVar = (Rating,)
    makes: ClassVar = StepLabels
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `steps`."""

        at: float = Field(default=0.5, ge=0.0, le=1.0)
        """The least score of a step that is right."""
        after_error: Literal["keep", "wrong", "cut"] = "keep"
        """What becomes of the steps after the first wrong one: they are judged like others, count as wrong, or are cut
        off, as in Lightman et al. 2023."""

    params: Params

    def apply(self, rows: Sequence[Rating], given: Given) -> Applied:
        """Raises `DataError` where ratings of one response disagree what its steps are."""
        return scored(rows, by_response(rows, steps=True), self._labels)

    def _labels(self, ratings: Sequence[Rating]) -> StepLabels | str:
        one = ratings[0]
        by_step: list[list[Rating]] = [[] for _ in one.steps]
        for rating in ratings:
            if rating.steps != one.steps:
                raise DataError(f"ratings {one.row_id} and {rating.row_id} of one response show different steps")
            if rating.step is None or not 0 <= rating.step < len(one.steps):
                raise DataError(f"rating {rating.row_id} is of step {rating.step}, and there are {len(one.steps)}")
            by_step[rating.step].append(rating)
        if not all(sum(rating.weight for rating in step) > 0 for step in by_step):
            return UNRATED
        scores = [weighted_mean((value(rating), rating.weight) for rating in step) for step in by_step]
        labels = [score >= self.params.at for score in scores]
        first = labels.index(False) if False in labels else len(labels)
        if self.params.after_error == "wrong":
            labels = [place < first for place in range(len(labels))]
        end = first + 1 if self.params.after_error == "cut" else len(labels)
        return StepLabels(row_id="", meta=one.meta, prompt=one.prompt, completions=one.steps[:end],
                          labels=tuple(labels[:end]), scores=tuple(scores[:end]), ratings=len(ratings))  # fmt: skip
