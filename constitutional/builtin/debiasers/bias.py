"""How position-biased a judge was, and what its votes came to: the figures of a debiaser, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from constitutional.api import JsonObject
from constitutional.builtin.debiasers.ballots import Ballot, Belief, Rules, agreement
from constitutional.builtin.math.agreement import position_preference, same_position
from constitutional.builtin.math.figures import average, generator, share
from constitutional.builtin.math.probability import mean, sigmoid

Decided = Sequence[tuple[Ballot, Belief]]


def measured(decided: Decided, rules: Rules, seed: int) -> JsonObject:
    """The figures; each (pair, principle) counts once, and intervals draw whole pairs, in whatever order they came."""
    decided = sorted(decided, key=lambda each: each[0].pair)
    pairs = [ballot.pair for ballot, _ in decided for s in ballot.by_principle() if s.both(rules.clamp) is not None]
    orders = [both for ballot, _ in decided for s in ballot.by_principle() if (both := s.both(rules.clamp)) is not None]
    labelled = [belief for _, belief in decided if belief.p_first is not None]
    first = [belief.p_first > 0.5 for belief in labelled if belief.p_first is not None]
    agreed = [agreement(belief.used, side) for belief, side in zip(labelled, first, strict=True)]
    p_first = [mean([sigmoid(ab), sigmoid(ba)]) for ab, ba in orders]
    return {
        "coverage": share([belief.p_first is not None for _, belief in decided], generator(seed, "coverage")),
        "same_position": share([same_position(*both) for both in orders], generator(seed, "same_position"), pairs),
        "logit_bias": average([position_preference(*both) for both in orders], generator(seed, "logit_bias"), pairs),
        "mean_p_first": average(p_first, generator(seed, "mean_p_first"), pairs, unit=True),
        "chosen_first": share(first, generator(seed, "chosen_first")),
        "agreement": average(agreed, generator(seed, "agreement"), unit=True),
        "pairs": _pairs(decided),
        "votes": _votes(decided),
    }


def _pairs(decided: Decided) -> JsonObject:
    reasons = Counter(belief.reason for _, belief in decided if belief.reason is not None)
    return {"n": len(decided), "labelled": len(decided) - reasons.total(), "abstained": dict(sorted(reasons.items()))}


def _votes(decided: Decided) -> JsonObject:
    votes = [vote for ballot, _ in decided for vote in ballot.votes]
    reasons = Counter(vote.abstained for vote in votes if vote.abstained is not None)
    used = sum(len(belief.used) for _, belief in decided)
    return {"n": len(votes), "used": used, "abstained": dict(sorted(reasons.items()))}
