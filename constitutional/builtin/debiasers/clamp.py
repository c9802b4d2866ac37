"""Hold probabilities away from certainty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import Preference, Score, StageParams, Vote
from constitutional.builtin.debiasers.belief import probability, with_probability
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, any_of, passed
from constitutional.builtin.math.probability import clamp


class Clamp(Debiaser):
    """Hold every probability within [`by`, 1 - `by`].

    A judge that reasons before it answers is nearly always certain; Bai et al. 2022 (arXiv 2212.08073, section 4.1)
    held such labels between 40 and 60 per cent, and left labels without reasoning as they were.  No verdict turns.
    Figures: `held`, the share of probabilities that were moved.
    """

    name, version = "clamp", 1
    takes: ClassVar = any_of(Vote, Preference, Score)
    on: ClassVar = (Vote, Preference, Score)

    class Params(StageParams):
        """Parameters of `clamp`."""

        by: float = Field(default=0.4, ge=0.0, lt=0.5)
        """How far from 0 and 1 probabilities are held; 0.4 leaves those from 0.4 to 0.6."""

    params: Params

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return (*super().figures(params), "held")

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        from constitutional.builtin.math.figures import generator, share

        said = [probability(row) for row in rows]
        held = [None if p is None else clamp(p, self.params.by) for p in said]
        made = [row if p is None else with_probability(row, p) for row, p in zip(rows, held, strict=True)]
        moved = [p != q for p, q in zip(said, held, strict=True) if p is not None]
        return passed(made, {"held": share(moved, generator(given.seed, "clamp/held"))})
