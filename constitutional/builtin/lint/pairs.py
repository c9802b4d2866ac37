"""`contradiction` and `near-duplicate`: two principles about one thing, neither of which goes first."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import ClassVar, Final, NamedTuple

from constitutional.api import Constitution, Diagnostic, Label, Principle
from constitutional.builtin.lint.rule import ConstitutionRule
from constitutional.builtin.lint.words import content, likeness, negated

#: From this likeness on, two principles of one direction are one; of opposite directions, they contradict each other.
SAME: Final = 0.75
OPPOSITE: Final = 0.6
_FEWEST_STEMS: Final = 2


class _Said(NamedTuple):
    principle: Principle
    key: str
    stems: frozenset[str]
    negated: bool


class _PairRule(ConstitutionRule):
    """Looks at every two principles of one priority that can be drawn."""

    @abstractmethod
    def applies(self, first: _Said, second: _Said) -> bool:
        """Whether the two break the rule."""

    @abstractmethod
    def message(self, first: Principle, second: Principle) -> str: ...

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for first, second in _pairs(constitution):
            if self.applies(first, second):
                there = constitution.at(first.principle.id, first.key)
                here = constitution.at(second.principle.id, second.key)
                label = Label(there, f"`{first.principle.id}`")
                yield self.warn(
                    self.message(first.principle, second.principle), here, f"`{second.principle.id}`", (label,)
                )


def _pairs(constitution: Constitution) -> Iterator[tuple[_Said, _Said]]:
    drawn = [principle for principle in constitution if principle.weight > 0]
    said = [_said(constitution, principle) for principle in drawn]
    priority = {p.id: constitution.priority(p) for p in drawn}
    for first, second in combinations(said, 2):
        enough = min(len(first.stems), len(second.stems)) >= _FEWEST_STEMS
        if enough and priority[first.principle.id] == priority[second.principle.id]:
            yield first, second


def _said(constitution: Constitution, principle: Principle) -> _Said:
    """What a principle demands: its rule, or the text that stands in for it."""
    keys = ("rule", "compare", "critique", "revision")
    key = next((key for key in keys if constitution.written(principle.id, key)), "rule")
    return _Said(principle, key, content(principle.rule), negated(principle.rule))


class Contradiction(_PairRule):
    """Two principles of one priority speak of the same thing in opposite directions.

    Each row draws one of them, so that half of the labels undo the other half.  Where both are meant, groups with a
    `priority` say which goes first, as the tiers of later constitutions do.  Found by words, not by sense: opposite
    demands in other words are not seen.
    """

    code = "contradiction"
    fix: ClassVar = "drop one, say when each holds, or put them into groups with a different `priority`"

    def applies(self, first: _Said, second: _Said) -> bool:
        return first.negated != second.negated and likeness(first.stems, second.stems) >= OPPOSITE

    def message(self, first: Principle, second: Principle) -> str:
        return f"`{second.id}` and `{first.id}` demand opposite things, and neither goes first"


class NearDuplicate(_PairRule):
    """Two principles of one priority say almost the same.

    The thing that both say is drawn twice as often as intended, and its figures are split in two.  The Collective
    Constitution merged similar statements for this reason; in C3AI, 15 principles without repetition kept the safety of
    58.  Use `weight` to have a principle drawn more often.
    """

    code = "near-duplicate"
    fix: ClassVar = "keep one and give it the `weight` of both, or say what sets them apart"

    def applies(self, first: _Said, second: _Said) -> bool:
        return first.negated == second.negated and likeness(first.stems, second.stems) >= SAME

    def message(self, first: Principle, second: Principle) -> str:
        return f"`{second.id}` says almost the same as `{first.id}`"
