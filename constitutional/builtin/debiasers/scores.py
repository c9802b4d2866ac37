"""From ratings of responses to scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import ClassVar, Literal

from pydantic import Field

from constitutional.api import Rating, Score, StageParams
from constitutional.builtin.debiasers.ratings import by_response, figures_of, generosity, scored, value
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, many
from constitutional.builtin.math.probability import mean, weighted_mean

FEW, NO_WEIGHT = "too few ratings", "no principle has weight"


class Scores(Debiaser):
    """What the ratings of a response come to: one score between 0 and 1.

    Ratings are brought to that range by their own `low` and `high`, averaged over judges and samples within each
    principle, and principles are then combined.  Ratings that abstain never count; a response without a usable one
    abstains.  `threshold` may then say which are good.

    Figures: `leniency`, what each judge adds to a rating; it is 0 for one who shares no response with another.
    """

    name, version = "scores", 1
    takes: ClassVar = many(Rating, "ratings of whole responses")
    on: ClassVar = (Rating,)
    makes: ClassVar = Score
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `scores`."""

        method: Literal["weighted", "mean", "median", "lowest", "majority"] = "weighted"
        """How principles are combined: by their weight, alike, by their median, by the one that is met worst, or as
        the share of those above the middle."""
        leniency: Literal["keep", "remove"] = "keep"
        """Take away what each judge adds beside the others who rated the same responses by the same principles."""
        min_ratings: int = Field(default=1, ge=1)
        """Abstain where a response has fewer usable ratings."""

    params: Params

    def apply(self, rows: Sequence[Rating], given: Given) -> Applied:
        """Raises `DataError` where ratings of different questions, or of different texts, are mixed."""
        groups = by_response(rows, steps=False)
        added = generosity([rows[place] for places in groups.values() for place in places], given.seed)
        offset = {judge: found.value if self.params.leniency == "remove" else 0.0 for judge, found in added.items()}
        applied = scored(rows, groups, lambda ratings: self._score(ratings, offset))
        return replace(applied, figures={"leniency": figures_of(added, rows)})

    def _score(self, ratings: Sequence[Rating], offset: Mapping[str, float]) -> Score | str:
        if len(ratings) < self.params.min_ratings:
            return FEW
        principles = sorted({rating.principle for rating in ratings})
        values = [min(1.0, max(0.0, value(rating) - offset[rating.judge])) for rating in ratings]
        said = [
            mean(v for v, rating in zip(values, ratings, strict=True) if rating.principle == id) for id in principles
        ]
        weights = [max(rating.weight for rating in ratings if rating.principle == id) for id in principles]
        if self.params.method == "weighted" and sum(weights) <= 0:
            return NO_WEIGHT
        score = self._combined(said, weights)
        one = ratings[0]
        agreed = mean(_same_side(v, score) for v in values)
        return Score(row_id="", meta=one.meta, prompt=one.prompt, completion=one.completion, score=score,
                     ratings=len(ratings), agreement=agreed, principles=tuple(principles))  # fmt: skip

    def _combined(self, said: Sequence[float], weights: Sequence[float]) -> float:
        if self.params.method == "weighted":
            return weighted_mean(zip(said, weights, strict=True))
        if self.params.method == "majority":
            return mean(0.5 if one == 0.5 else float(one > 0.5) for one in said)
        return (
            min(said)
            if self.params.method == "lowest"
            else median(said)
            if self.params.method == "median"
            else mean(said)
        )


def _same_side(one: float, other: float) -> float:
    return 0.5 if 0.5 in (one, other) else float((one > 0.5) == (other > 0.5))
