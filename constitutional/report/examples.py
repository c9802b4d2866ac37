"""What a judge makes of the examples of principles: accuracy with its interval, and how it fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from constitutional.constitution.model import Constitution
from constitutional.plan.examples import PRINCIPLE
from constitutional.records import Vote

#: What became of one example.  In its own order the better answer stands first, swapped it stands second.
Outcome: TypeAlias = Literal["both right", "first both times", "second both times", "both wrong", "even", "unscored"]
#: What can be said of a judge and a principle.
Verdict: TypeAlias = Literal["applies", "not told from chance", "cannot apply", "unscored", "no examples"]

CHANCE = 0.5
#: Log-odds nearer to zero than this differ from it by rounding alone.
_EVEN = 1e-9


@dataclass(frozen=True, slots=True)
class Tested:
    """One example: whether the judge was right when both orders are averaged, and how it came to that."""

    principle: str
    #: None where an order was not answered; an even judgment is not right.
    right: bool | None
    outcome: Outcome
    #: Log-odds of the better answer, and what standing first earned; None where unscored.
    margin: float | None = None
    position: float | None = None
    reason: str = ""


@dataclass(slots=True)
class Standing:
    """A principle's examples."""

    id: str
    tested: list[Tested] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Accuracy (Wilson's interval), the confusion of orders, what was unscored and why, and the verdict."""
        from constitutional.builtin.math.figures import figure, nothing
        from constitutional.builtin.math.statistics import wilson

        scored = [one for one in self.tested if one.right is not None]
        unscored = Counter(one.reason for one in self.tested if one.right is None)
        right = sum(bool(one.right) for one in scored)
        accuracy = figure(wilson(right, len(scored)), len(scored), "Wilson", unscored) if scored else nothing(unscored)
        confusion = Counter(one.outcome for one in self.tested)
        said: dict[str, Any] = {
            "accuracy": accuracy,
            "confusion": dict(sorted(confusion.items())),
            "verdict": self._verdict(accuracy),
        }
        margins = [one.margin for one in scored if one.margin is not None]
        positions = [one.position for one in scored if one.position is not None]
        if margins:
            said |= {"logit_margin": _mean(margins), "logit_bias": _mean(positions)}
        return said

    def _verdict(self, accuracy: Mapping[str, Any]) -> Verdict:
        if not self.tested:
            return "no examples"
        value, low = accuracy["value"], accuracy["low"]
        if value is None:
            return "unscored"
        return "cannot apply" if value <= CHANCE else "applies" if low > CHANCE else "not told from chance"


def examine(votes: Iterable[Vote]) -> list[Tested]:
    """One result for each example, in the order of their first votes."""
    by_pair: dict[str, list[Vote]] = {}
    for vote in votes:
        by_pair.setdefault(vote.pair, []).append(vote)
    return [_tested(several) for several in by_pair.values()]


def _tested(votes: Sequence[Vote]) -> Tested:
    from constitutional.builtin.math.agreement import content_preference, position_preference, winner
    from constitutional.builtin.math.probability import logit, mean

    principle = str(votes[0].meta.get(PRINCIPLE, votes[0].principle))
    said = {
        order: [logit(v.p_first) for v in votes if v.order == order and v.p_first is not None] for order in ("ab", "ba")
    }
    if not said["ab"] or not said["ba"]:
        reason = next((v.abstained for v in votes if v.abstained), "one order only")
        return Tested(principle, None, "unscored", reason=reason)
    ab, ba = mean(said["ab"]), mean(said["ba"])
    preference = content_preference(ab, ba)
    return Tested(principle, winner(preference) == "first", _outcome(ab, ba), preference, position_preference(ab, ba))


def _outcome(ab: float, ba: float) -> Outcome:
    """Which answer won in each order, from the log-odds of the answer shown first; even where an order had no winner."""
    if min(abs(ab), abs(ba)) < _EVEN:
        return "even"
    if ab > 0:
        return "both right" if ba < 0 else "first both times"
    return "second both times" if ba < 0 else "both wrong"


def report(constitution: Constitution, tested: Iterable[Tested]) -> dict[str, Any]:
    """Figures of each principle, and of all examples together; examples that left no vote at all are unscored too."""
    standings = {p.id: Standing(p.id) for p in constitution}
    for one in tested:
        standings[one.principle].tested.append(one)
    for principle in constitution:
        missing = len(principle.examples) - len(standings[principle.id].tested)
        silent = Tested(principle.id, None, "unscored", reason="no answer")
        standings[principle.id].tested += [silent] * missing
    whole = Standing("all", [one for standing in standings.values() for one in standing.tested])
    return {"principles": {id: standing.figures() for id, standing in standings.items()}, "all": whole.figures()}


def _mean(values: Sequence[float]) -> float:
    from constitutional.builtin.math.figures import DIGITS
    from constitutional.builtin.math.probability import mean

    return round(mean(values), DIGITS)
