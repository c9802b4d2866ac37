"""Average the position of an answer out of a judge's votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import Preference, StageParams, Vote
from constitutional.builtin.debiasers.ballots import Rules, decide
from constitutional.builtin.debiasers.labels import ballots_of, labelled
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, many
from constitutional.builtin.math.probability import CLAMP


class SwapParams(StageParams):
    """How the votes of both orders become one belief."""

    margin: float = Field(default=0.05, ge=0.0, lt=0.5)
    """Abstain where the probability is closer to one half than this."""
    space: Literal["logit", "probability"] = "logit"
    """What is averaged over orders and principles: log-odds, which take position bias away exactly, or
    probabilities, as in the papers."""
    clamp: float = Field(default=CLAMP, gt=0.0, lt=0.5)
    """Votes are held this far from 0 and 1 before their log-odds are taken, so that none outweighs all others."""
    only_consistent: bool = False
    """Count a principle only where the same answer wins in both orders."""
    allow_single_order: bool = False
    """Count principles that were asked, or answered, in one order only: the position bias stays in them."""

    @property
    def rules(self) -> Rules:
        return Rules(self.margin, self.space, self.clamp, self.only_consistent, self.allow_single_order)


class PositionSwap(Debiaser):
    """Believe what a judge says in both orders, averaged in log-odds; abstain where that says too little.

    A judge that prefers a position moves the log-odds of both orders the same way; their average over swapped orders
    takes that away exactly (Lee et al. 2023, arXiv 2309.00267, there on probabilities).  Principles are
    then combined by weight.  What survives is a soft label: `p_chosen` is at least one half and goes to the trainer.

    `abstained` gives the votes that ended in no label.  The figures: `coverage` (share of pairs labelled),
    `same_position` (share of judged pairs in which the same position won in both orders, so that the answer flipped),
    `logit_bias` (log-odds that standing first earned), `mean_p_first` (mean probability of the answer shown first;
    one half without bias), `chosen_first` (after: how often the pair's own first answer was chosen), `agreement`.
    Swapping is no cure for a judge who is wrong in both orders: with an `audit`, `after.accuracy` says how often the
    labels agree with people, to be read together with `coverage`.
    """

    name, version = "position-swap", 2
    takes: ClassVar = many(Vote, "votes of a labeller that asked in both orders")
    on: ClassVar = (Vote,)
    makes: ClassVar = Preference
    ends: ClassVar = "abstained"

    class Params(SwapParams):
        """Parameters of `position-swap`."""

    params: Params

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        own = ("same_position", "logit_bias", "mean_p_first", "chosen_first", "agreement")
        return (*super().figures(params), *own, "after.chosen_longer")

    def apply(self, rows: Sequence[Vote], given: Given) -> Applied:
        from constitutional.builtin.debiasers.bias import measured

        rules = self.params.rules
        decided = [(ballot, decide(ballot, rules)) for ballot in ballots_of(rows)]
        return labelled(rows, decided, measured(decided, rules, given.seed))
