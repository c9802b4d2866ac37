"""Ballots: the votes on one pair, put in order, and the belief that they support."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from constitutional.api import DataError, Vote
from constitutional.builtin.math.agreement import consistent
from constitutional.builtin.math.probability import logit, mean, sigmoid, weighted_mean

Space: TypeAlias = Literal["logit", "probability"]

#: Probabilities closer to one half than this are a tie: they differ by rounding alone.
TIE = 1e-9

MARGIN, TIED = "margin", "tie"
ONE_ORDER, DISAGREE, NO_VOTE = "one order only", "orders disagree", "no usable vote"


@dataclass(slots=True)
class Ballot:
    """All votes on one pair; abstentions among them."""

    pair: str
    votes: list[Vote] = field(default_factory=list)

    def add(self, vote: Vote) -> None:
        """Raises `DataError` where votes on one pair do not agree what the pair is."""
        known = self.votes[0] if self.votes else vote
        if (vote.first, vote.second) != (known.first, known.second):
            raise DataError(f"votes {known.row_id} and {vote.row_id} on pair {self.pair} show different answers",
                            help="votes can only be pooled where they judge the same pairs")  # fmt: skip
        self.votes.append(vote)

    def by_principle(self) -> list[Standing]:
        """What each principle has to say, by id; those without a usable vote are left out."""
        return self.by(lambda vote: vote.principle)

    def by(self, voter: Callable[[Vote], str]) -> list[Standing]:
        """What each voter has to say, by name; those without a usable vote are left out."""
        usable: dict[str, list[Vote]] = {}
        for vote in self.votes:
            if vote.p_first is not None and vote.abstained is None:
                usable.setdefault(voter(vote), []).append(vote)
        return [Standing(name, tuple(usable[name])) for name in sorted(usable)]


class Standing(NamedTuple):
    """The usable votes on one pair of one voter: a principle, or where a debiaser says so a judge or a question."""

    voter: str
    votes: tuple[Vote, ...]

    def shown_first(self, order: str, clamp: float, space: Space = "logit") -> float | None:
        """The answer shown first, in one order: mean log-odds (or probability) over judges and samples."""
        said = [vote.p_first for vote in self.votes if vote.order == order and vote.p_first is not None]
        return mean(_value(p, clamp, space) for p in said) if said else None

    def both(self, clamp: float) -> tuple[float, float] | None:
        """Log-odds of the answer shown first in each order, where both orders were answered."""
        ab, ba = self.shown_first("ab", clamp), self.shown_first("ba", clamp)
        return None if ab is None or ba is None else (ab, ba)

    def first_wins(self, clamp: float, space: Space) -> float:
        """Log-odds (or probability) that the pair's first answer is better; the orders count alike."""
        ab, ba = self.shown_first("ab", clamp, space), self.shown_first("ba", clamp, space)
        sides = [ab] if ab is not None else []
        if ba is not None:
            sides.append(1.0 - ba if space == "probability" else -ba)
        return mean(sides)

    @property
    def weight(self) -> float:
        """Weight of the principle; the largest where votes disagree, so that their order does not matter."""
        return max(vote.weight for vote in self.votes)


class Belief(NamedTuple):
    """What the votes on a pair support: a probability that its first answer is better, or why there is none."""

    p_first: float | None
    reason: str | None
    used: tuple[Vote, ...] = ()
    principles: tuple[str, ...] = ()


class Rules(NamedTuple):
    """How votes become a belief."""

    margin: float
    space: Space
    clamp: float
    only_consistent: bool
    allow_single_order: bool


def decide(ballot: Ballot, rules: Rules) -> Belief:
    """The belief that a ballot supports.

    Log-odds are averaged over the two orders within each principle, then over principles by weight.  A principle asked
    in one order only says nothing, unless that is allowed; abstentions never count for either side.
    """
    standings, why = heard(ballot, ballot.by_principle(), rules)
    standings = [s for s in standings if s.weight > 0]
    if not standings:
        return Belief(None, why or NO_VOTE)
    centre = weighted_mean((s.first_wins(rules.clamp, rules.space), s.weight) for s in standings)
    p = sigmoid(centre) if rules.space == "logit" else centre
    return believed(p, standings, rules.margin)


def heard(ballot: Ballot, standings: Sequence[Standing], rules: Rules) -> tuple[Sequence[Standing], str | None]:
    """The voters that count under the rules, or why none does."""
    if not standings:
        return [], _why_no_vote(ballot.votes)
    if not rules.allow_single_order:
        standings = [s for s in standings if s.both(rules.clamp) is not None]
        if not standings:
            return [], ONE_ORDER
    if rules.only_consistent:
        standings = [s for s in standings if _consistent(s, rules.clamp)]
        if not standings:
            return [], DISAGREE
    return standings, None


def believed(p: float, standings: Sequence[Standing], margin: float) -> Belief:
    """The belief in a probability that the pair's first answer is better, or why that says too little."""
    if abs(p - 0.5) < TIE:
        return Belief(None, TIED)
    if abs(p - 0.5) < margin - TIE:
        return Belief(None, MARGIN)
    used = tuple(vote for s in standings for vote in s.votes)
    return Belief(p, None, used, tuple(sorted({vote.principle for vote in used})))


def agreement(votes: Iterable[Vote], first: bool) -> float:
    """Share of single votes that, taken alone, prefer the chosen answer; an even vote counts half."""
    sides = [side(vote) if first else 1.0 - side(vote) for vote in votes]
    return mean(sides)


def side(vote: Vote) -> float:
    """1 where a vote alone prefers the pair's first answer, 0 where the second, else one half."""
    p = 0.5 if vote.p_first is None else vote.p_first if vote.order == "ab" else 1.0 - vote.p_first
    return 0.5 if abs(p - 0.5) < TIE else float(p > 0.5)


def verdict(said: float, space: Space) -> float:
    """1 where log-odds (or a probability) favour the first answer, 0 where the second, one half where neither."""
    distance = (sigmoid(said) if space == "logit" else said) - 0.5
    return 0.5 if abs(distance) < TIE else float(distance > 0)


def _value(p: float, clamp: float, space: Space) -> float:
    return logit(p, clamp) if space == "logit" else p


def _consistent(standing: Standing, clamp: float) -> bool:
    orders = standing.both(clamp)
    return orders is not None and consistent(*orders)


def _why_no_vote(votes: Sequence[Vote]) -> str:
    """The judge's own reason where all abstentions share it."""
    reasons = {vote.abstained or NO_VOTE for vote in votes}
    return reasons.pop() if len(reasons) == 1 else NO_VOTE
