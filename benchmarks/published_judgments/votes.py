"""Published verdicts as the votes of a run, decided by its debiaser's own rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from constitutional.api import Vote, user
from constitutional.builtin.debiasers.ballots import Ballot, Belief, Rules, decide

#: Verdicts are certain or even: nothing lies between, so that averaging probabilities loses nothing.
BOTH_ORDERS = Rules(margin=0.0, space="probability", clamp=1e-4, only_consistent=False, allow_single_order=False)
CONSISTENT = BOTH_ORDERS._replace(only_consistent=True)
ONE_ORDER = BOTH_ORDERS._replace(allow_single_order=True)
UNREADABLE = "no verdict"


def vote(pair: str, judge: str, first: str, second: str, order: Literal["ab", "ba"], prefers_first: float | None,
         question: str = "") -> Vote:  # fmt: skip
    """A verdict in one order; `prefers_first` is 1 for the pair's first answer, 0 for its second, one half for a tie.

    A verdict that is not there is an abstention, never a tie.
    """
    shown_first = prefers_first if prefers_first is None or order == "ab" else 1.0 - prefers_first
    return Vote(
        row_id=f"{judge}/{pair}/{order}", prompt=(user(question),), first=first, second=second, pair=pair,
        principle="published", order=order, judge=judge, p_first=shown_first,
        abstained=UNREADABLE if prefers_first is None else None,
    )  # fmt: skip


def ballot(pair: str, votes: Iterable[Vote]) -> Ballot:
    made = Ballot(pair)
    for each in votes:
        made.add(each)
    return made


def believed(votes: Iterable[Vote], pair: str, rules: Rules = BOTH_ORDERS) -> Belief:
    """What the votes on a pair come to."""
    return decide(ballot(pair, votes), rules)
