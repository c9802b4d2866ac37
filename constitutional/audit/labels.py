"""Labels to be audited: what a judge concluded of one pair, under one principle, from the rows of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from constitutional.builtin.debiasers.ballots import Ballot
from constitutional.builtin.math.probability import CLAMP, sigmoid
from constitutional.errors import DataError
from constitutional.records import Messages, Preference, Vote

Verdict: TypeAlias = Literal["first", "second", "tie"]
VERDICTS: tuple[Verdict, ...] = ("first", "second", "tie")

#: Names of the bands of confidence, and the probability of the preferred answer at which each ends.
BANDS = {"unsure": 0.6, "leaning": 0.9, "sure": 1.0}
TIE = 1e-9
#: How a label that several principles led to, or none, says so.
AND, NONE = ", ", "(none)"


@dataclass(frozen=True, slots=True)
class Label:
    """One label.  `p_first` is the judge's probability that the pair's first answer is better."""

    pair: str
    principle: str
    prompt: Messages
    first: str
    second: str
    p_first: float
    judge: str

    def verdict(self, margin: float = 0.0) -> Verdict:
        """What the judge concluded; a tie within `margin` of one half."""
        distance = self.p_first - 0.5
        if abs(distance) <= max(margin, TIE):
            return "tie"
        return "first" if distance > 0 else "second"

    @property
    def principles(self) -> tuple[str, ...]:
        """All that led to the label."""
        return () if self.principle == NONE else tuple(self.principle.split(AND))

    @property
    def band(self) -> str:
        sure = max(self.p_first, 1 - self.p_first)
        return next((name for name, end in BANDS.items() if sure < end), "sure")

    @property
    def stratum(self) -> str:
        return f"{self.principle}/{self.band}"


def labels(flow: str, rows: Iterable[Mapping[str, Any]]) -> tuple[list[Label], int]:
    """The labels in the rows of a step, and how many pairs and principles have no usable vote.

    Votes are put together by pair and principle: log-odds, averaged over orders, judges and samples.  A preference is a
    label as it is; its principles are all that led to it.

    Raises:
        DataError: if the rows are neither votes nor preferences.
    """
    if flow == Preference.port:
        return [_of_preference(Preference.from_row(row)) for row in rows], 0
    if flow == Vote.port:
        return _of_votes(Vote.from_row(row) for row in rows)
    raise DataError(f"{flow} are no labels", help="name a step that gives votes or preferences")


def _of_preference(row: Preference) -> Label:
    principle = AND.join(sorted(row.principles)) or NONE
    return Label(row.row_id, principle, row.prompt, row.chosen, row.rejected, row.p_chosen, "the label")


def _of_votes(votes: Iterable[Vote]) -> tuple[list[Label], int]:
    ballots: dict[str, Ballot] = {}
    seen: set[str] = set()
    for vote in votes:
        if vote.row_id not in seen:
            seen.add(vote.row_id)
            ballots.setdefault(vote.pair, Ballot(vote.pair)).add(vote)
    found, unusable = [], 0
    for ballot in ballots.values():
        standings = ballot.by_principle()
        unusable += len({vote.principle for vote in ballot.votes}) - len(standings)
        for standing in standings:
            vote = standing.votes[0]
            judges = ", ".join(sorted({vote.judge for vote in standing.votes}))
            p_first = sigmoid(standing.first_wins(CLAMP, "logit"))
            found.append(Label(vote.pair, standing.voter, vote.prompt, vote.first, vote.second, p_first, judges))
    return found, unusable
