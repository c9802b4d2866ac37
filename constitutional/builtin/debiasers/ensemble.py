"""Many voters, one belief: over principles, judges and samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from constitutional.api import Preference, Vote
from constitutional.builtin.debiasers.ballots import Ballot, Belief, Rules, Standing, believed, heard, verdict
from constitutional.builtin.debiasers.labels import ballots_of, labelled
from constitutional.builtin.debiasers.position_swap import SwapParams
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, many
from constitutional.builtin.math.probability import mean, sigmoid, weighted_mean

Method: TypeAlias = Literal["mean", "weighted", "majority", "unanimous", "dawid-skene"]

FEW, SPLIT, NO_WEIGHT = "too few voters", "voters disagree", "no voter has weight"


class Ensemble(Debiaser):
    """Let principles, judges or single questions vote, each with what it says in both orders.

    `mean` averages all voters, `weighted` counts them by the weight of their principle, `majority` gives the share of
    voters on the winning side, `unanimous` abstains where they are not all on one side.  `dawid-skene` weighs voters by
    error rates that it estimates from their agreement alone (Dawid and Skene 1979): for several judges who are not
    equally good.  It learns for each voter and order, so that position bias is one of the errors it finds; judges who
    err together look right to it.

    Figures: those of `position-swap`; `unanimous`, the share of pairs in which all voters are on one side; and with
    `dawid-skene` the estimated `accuracy` of each of the `voters`.
    """

    name, version = "ensemble", 1
    takes: ClassVar = many(Vote, "votes of one labeller or of several on the same pairs")
    on: ClassVar = (Vote,)
    makes: ClassVar = Preference
    ends: ClassVar = "abstained"

    class Params(SwapParams):
        """Parameters of `ensemble`."""

        method: Method = "weighted"
        """How the voters become one belief."""
        voter: Literal["question", "judge", "principle"] | None = None
        """Who has a voice: each question (a judge, a principle and a sample), each judge, or each principle.  Left out,
        each judge for `dawid-skene` and each question otherwise."""
        min_voters: int = Field(default=1, ge=1)
        """Abstain where fewer voters than this can be heard."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.method == "weighted" and params.voter == "judge":
            yield "judges have no weight of their own: use `method: mean`, or let principles or questions vote"

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        own = ("same_position", "logit_bias", "mean_p_first", "chosen_first", "agreement", "unanimous")
        return (*super().figures(params), *own, "after.chosen_longer")

    def apply(self, rows: Sequence[Vote], given: Given) -> Applied:
        from constitutional.builtin.debiasers import unequal
        from constitutional.builtin.debiasers.bias import measured
        from constitutional.builtin.math.figures import generator, share

        rules, method = self.params.rules, self.params.method
        ballots = ballots_of(rows)
        panels = [self._panel(ballot, rules) for ballot in ballots]
        learned = unequal.learned(ballots, [panel for panel, _ in panels]) if method == "dawid-skene" else None
        decided = []
        for ballot, (panel, why) in zip(ballots, panels, strict=True):
            belief = Belief(None, why) if why or not panel else self._belief(panel, rules)
            if learned is not None and why is None:
                belief = believed(learned.p_first[ballot.pair], panel, rules.margin)
            decided.append((ballot, belief))
        one_side = [_one_side(panel, rules) for panel, why in panels if why is None]
        figures = {
            **measured(decided, rules, given.seed),
            "unanimous": share(one_side, generator(given.seed, "ensemble/unanimous")),
            **({} if learned is None else {"voters": unequal.voters(learned, given.seed)}),
        }
        return labelled(rows, decided, figures)

    def _panel(self, ballot: Ballot, rules: Rules) -> tuple[Sequence[Standing], str | None]:
        """The voters on one pair that can be heard, or why there are too few."""
        panel, why = heard(ballot, ballot.by(self._name), rules)
        if why is not None:
            return [], why
        if self.params.method == "weighted":
            panel = [voter for voter in panel if voter.weight > 0]
            if not panel:
                return [], NO_WEIGHT
        return (panel, None) if len(panel) >= self.params.min_voters else ([], FEW)

    def _name(self, vote: Vote) -> str:
        voter = self.params.voter or ("judge" if self.params.method == "dawid-skene" else "question")
        if voter == "question":
            return f"{vote.judge} on {vote.principle}" + (f" #{vote.sample}" if vote.sample else "")
        return vote.judge if voter == "judge" else vote.principle

    def _belief(self, panel: Sequence[Standing], rules: Rules) -> Belief:
        said = [voter.first_wins(rules.clamp, rules.space) for voter in panel]
        if self.params.method == "majority":
            return believed(mean(verdict(one, rules.space) for one in said), panel, rules.margin)
        if self.params.method == "unanimous" and not _one_side(panel, rules):
            return Belief(None, SPLIT)
        weights = [voter.weight if self.params.method == "weighted" else 1.0 for voter in panel]
        centre = weighted_mean(zip(said, weights, strict=True))
        return believed(sigmoid(centre) if rules.space == "logit" else centre, panel, rules.margin)


def _one_side(panel: Sequence[Standing], rules: Rules) -> bool:
    """Whether all voters prefer one answer; a voter that is even is on no side."""
    sides = {verdict(voter.first_wins(rules.clamp, rules.space), rules.space) for voter in panel}
    return sides in ({0.0}, {1.0})
