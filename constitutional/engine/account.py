"""Accounts: every input row of a step ends kept, dropped, abstained, unscored or failed, and the sums must match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from constitutional.errors import RunError
from constitutional.stage import FATES, Fate


@dataclass(slots=True)
class Account:
    """The running ledger of one step."""

    rows_in: int = 0
    rows_out: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    reasons: dict[Fate, Counter[str]] = field(default_factory=dict)
    calls: int = 0
    calls_reused: int = 0
    tokens: int = 0

    def book(self, fate: Fate, reason: str = "", rows: int = 1) -> None:
        """Write down how `rows` input rows ended."""
        self.fates[fate] += rows
        if reason:
            self.reasons.setdefault(fate, Counter())[reason] += rows

    @property
    def settled(self) -> int:
        return sum(self.fates.values())

    @property
    def troubled(self) -> int:
        """Rows that should have ended otherwise: unscored and failed."""
        return self.fates["unscored"] + self.fates["failed"]

    def ledger(self) -> Mapping[str, int]:
        return {fate: self.fates[fate] for fate in FATES}

    def why(self) -> Mapping[str, Mapping[str, int]]:
        return {fate: dict(sorted(self.reasons[fate].items())) for fate in FATES if fate in self.reasons}

    def close(self, step: str) -> None:
        """Check the sums.

        Raises:
            RunError: if rows went missing or were counted twice: a defect of the stage or of the engine.
        """
        if self.settled != self.rows_in:
            raise RunError(f"step `{step}`: {self.rows_in} rows went in, but {self.settled} were accounted for: {dict(self.fates)}",
                           help="the stage's `fates` must add up to the rows of its driving port")  # fmt: skip


def most_frequent(reasons: Mapping[str, int], most: int = 3) -> str:
    """`97 timeout, 15 unparseable`: the reasons in words, the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    more = [f"{len(ordered) - most} other reasons"] if len(ordered) > most else []
    return ", ".join([f"{count} {reason}" for reason, count in ordered[:most]] + more)
