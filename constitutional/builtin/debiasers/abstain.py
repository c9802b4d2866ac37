"""Say nothing where too little is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import Fate, Preference, Score, StageParams, Vote
from constitutional.builtin.debiasers.ballots import MARGIN, NO_VOTE, TIE
from constitutional.builtin.debiasers.belief import probability
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, any_of, kept

DISAGREEMENT, FEW = "too little agreement", "too few votes"


class Abstain(Debiaser):
    """Keep what is certain enough; the rest abstains and trains nobody.

    Votes and labels whose probability is closer to one half than `margin` abstain; preferences and scores also where
    too few judgments, or judgments too much at odds, stand behind them.  Read `coverage` and `after.accuracy` together:
    what is kept is more consistent, which need not make it more right.
    """

    name, version = "abstain", 1
    takes: ClassVar = any_of(Vote, Preference, Score)
    on: ClassVar = (Vote, Preference, Score)
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `abstain`."""

        margin: float = Field(default=0.05, ge=0.0, lt=0.5)
        """Abstain where the probability is closer to one half than this."""
        min_agreement: float = Field(default=0.0, ge=0.0, le=1.0)
        """Abstain where a smaller share of the judgments behind a label is on its side; votes stand alone."""
        min_votes: int = Field(default=0, ge=0)
        """Abstain where fewer judgments are behind a label; votes stand alone."""

    params: Params

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        ended: dict[int, tuple[Fate, str]] = {}
        for place, row in enumerate(rows):
            reason = self._reason(row)
            if reason is not None:
                ended[place] = "abstained", reason
        return kept(rows, ended)

    def _reason(self, row: Any) -> str | None:
        p = probability(row)
        if p is None:
            return row.abstained or NO_VOTE
        if abs(p - 0.5) < self.params.margin - TIE:
            return MARGIN
        if isinstance(row, Vote):
            return None
        if (row.votes if isinstance(row, Preference) else row.ratings) < self.params.min_votes:
            return FEW
        agreed = row.agreement
        return DISAGREEMENT if agreed is not None and agreed < self.params.min_agreement - TIE else None
