"""The contract of everything that rewards: messages in, a score or none with a reason out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from constitutional.api import Messages, StepFailed

#: The user's own columns of each dialogue's row, in the order of the dialogues; None where they have none.
Metas: TypeAlias = Sequence[Mapping[str, Any]] | None


class Scored(NamedTuple):
    """A score, or None with the reason why there is none: never a zero in its place."""

    value: float | None
    reason: str = ""


class Scorer(Protocol):
    """Scores whole dialogues, the last turn of each being the assistant's.

    The score of a dialogue depends on that dialogue and its row's own columns alone, so that it is the same offline and
    inside a training.
    """

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        """One score a dialogue, in their order.  `metas` are the columns that a reward may go by, one mapping a dialogue."""


def finite(value: float) -> Scored:
    """A score that is a number."""
    return Scored(value) if math.isfinite(value) else Scored(None, "not a number")


@dataclass
class Missing:
    """Counts scores that are missing, and stops a training that would learn from too few.

    `most` is the largest share of one batch that may be missing; a batch without any score always stops.
    """

    most: float
    scored: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def check(self, batch: Sequence[Scored]) -> None:
        """Count a batch.

        Raises:
            StepFailed: if too many of its scores are missing, with the reasons and their counts.
        """
        absent = Counter(one.reason for one in batch if one.value is None)
        self.reasons += absent
        self.scored += len(batch) - absent.total()
        if batch and (absent.total() > self.most * len(batch) or absent.total() == len(batch)):
            why = ", ".join(f"{reason or 'no reason given'}: {count}" for reason, count in absent.most_common())
            raise StepFailed(
                "reward", f"{absent.total()} of {len(batch)} completions have no score ({why})",
                help=f"mend the reward; up to a share of {self.most:g} (`max_missing`) is left out of a batch",
            )  # fmt: skip

    def counts(self) -> Mapping[str, int]:
        """Completions without a score so far, by reason."""
        return dict(sorted(self.reasons.items()))
