"""Average the position of an answer out of a judge's votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Fate,
    Flow,
    Forecast,
    Inputs,
    Outputs,
    Port,
    Preference,
    Rows,
    StageParams,
    Vote,
    WholeContext,
    WholeStage,
    derived_row_id,
)
from constitutional.builtin.debiasers.ballots import Ballot, Belief, Rules, agreement, decide
from constitutional.builtin.math.probability import CLAMP

PATH = "debiaser/position-swap"
DUPLICATE = "duplicate vote"


class PositionSwap(WholeStage):
    """Believe what a judge says in both orders, averaged in log-odds; abstain where that says too little.

    A judge that prefers a position moves the log-odds of both orders the same way; their average over swapped orders
    takes that away exactly (Lee et al. 2023, arXiv 2309.00267, there on probabilities).  Principles are
    then combined by weight.  What survives is a soft label: `p_chosen` is at least one half and goes to the trainer.

    `abstained` gives the votes of the pairs that got no label.  The figures: `coverage` (share of pairs labelled),
    `same_position` (share of judged pairs in which the same position won in both orders, so that the answer flipped),
    `logit_bias` (log-odds that standing first earned), `mean_p_first` (mean probability of the answer shown first;
    one half without bias), `chosen_first` (after: how often the pair's own first answer was chosen), `agreement`.
    """

    kind, name, version = "debiaser", "position-swap", 1
    takes: ClassVar = {"votes": Port(Vote, many=True, about="votes of a labeller that asked in both orders")}

    class Params(StageParams):
        """Parameters of `position-swap`."""

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

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Preference, "abstained": Vote}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("coverage", "same_position", "logit_bias", "mean_p_first", "chosen_first", "agreement")

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        votes = ahead.rows("votes")
        rows = Rows(votes.count.or_less(), votes.prompt, votes.said)
        return Forecast({MAIN: rows, "abstained": rows})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `DataError` where votes on one pair show different answers."""
        from constitutional.builtin.debiasers.bias import measured

        p = self.params
        rules = Rules(p.margin, p.space, p.clamp, p.only_consistent, p.allow_single_order)
        ballots, repeated = _ballots(inputs.rows("votes"))
        decided = [(ballot, decide(ballot, rules)) for ballot in ballots]
        return Outputs(
            rows={MAIN: _preferences(decided), "abstained": _abstained(decided)},
            figures=measured(decided, rules, ctx.seed),
            fates=_fates(decided, repeated),
        )


def _ballots(votes: Iterable[Vote]) -> tuple[list[Ballot], int]:
    """Votes by pair, in order of first appearance, and how many came twice."""
    ballots: dict[str, Ballot] = {}
    seen: set[str] = set()
    repeated = 0
    for vote in votes:
        if vote.row_id in seen:
            repeated += 1
            continue
        seen.add(vote.row_id)
        ballots.setdefault(vote.pair, Ballot(vote.pair)).add(vote)
    return list(ballots.values()), repeated


def _preferences(decided: Sequence[tuple[Ballot, Belief]]) -> Iterator[Preference]:
    for ballot, belief in decided:
        if belief.p_first is not None:
            yield _preference(ballot, belief, belief.p_first)


def _preference(ballot: Ballot, belief: Belief, p_first: float) -> Preference:
    vote, first = ballot.votes[0], p_first > 0.5
    chosen, rejected = (vote.first, vote.second) if first else (vote.second, vote.first)
    parents = tuple(sorted(used.row_id for used in belief.used))
    p_chosen = p_first if first else 1.0 - p_first
    return Preference(
        row_id=derived_row_id(PATH, parents, 0, {"chosen": chosen, "rejected": rejected}),
        parents=parents, meta=vote.meta, prompt=vote.prompt, chosen=chosen, rejected=rejected, p_chosen=p_chosen,
        votes=len(belief.used), agreement=agreement(belief.used, first), principles=belief.principles,
    )  # fmt: skip


def _abstained(decided: Sequence[tuple[Ballot, Belief]]) -> Iterator[Vote]:
    for ballot, belief in decided:
        if belief.p_first is None:
            yield from ballot.votes


def _fates(decided: Sequence[tuple[Ballot, Belief]], repeated: int) -> dict[tuple[Fate, str], int]:
    """What became of each vote: kept in a label, or abstained by its own word or by what became of its pair."""
    fates: Counter[tuple[Fate, str]] = Counter()
    if repeated:
        fates["dropped", DUPLICATE] = repeated
    for ballot, belief in decided:
        used = {vote.row_id for vote in belief.used}
        for vote in ballot.votes:
            fates[_fate(vote, belief, vote.row_id in used)] += 1
    return dict(fates)


def _fate(vote: Vote, belief: Belief, used: bool) -> tuple[Fate, str]:
    if used:
        return "kept", ""
    return "abstained", vote.abstained or belief.reason or "its principle was left out"
