"""Whether a column of groups belongs to the rows that it stands beside.

A table that is sorted for the analysis and not for the file, or the other way round, gets its labels row by row in the
wrong order: every number in it is right, and all of them stand beside somebody else.  Such a column agrees with the
votes no better than chance, and well once it is read in another order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from constitutional.collective.opinion import Labels, agreement

#: Agreement with the votes' own groups below which a column counts as unrelated, and from which as right.
UNRELATED: Final = 0.1
RELATED: Final = 0.5


@dataclass(frozen=True, slots=True)
class Alignment:
    """Agreement (adjusted Rand index) of a column with fresh groups, as it is written and in other orders."""

    as_written: float
    in_order: Mapping[str, float]
    n: int

    @property
    def best(self) -> str:
        """The order that agrees best; empty where nothing beats the order of the file."""
        best = max(self.in_order, key=lambda name: self.in_order[name], default="")
        return best if best and self.in_order[best] > self.as_written else ""

    @property
    def misaligned(self) -> bool:
        """The column means nothing as it is written, and something in another order."""
        return self.as_written < UNRELATED and bool(self.best) and self.in_order[self.best] >= RELATED

    def explain(self) -> str:
        """What was found, in words."""
        if self.misaligned:
            return (
                f"the group column agrees with the votes no better than chance (adjusted Rand index "
                f"{self.as_written:.3f}, n = {self.n:,}), but well ({self.in_order[self.best]:.2f}) if it is read in the "
                f"order of {self.best}: its labels seem to stand beside other people's rows"
            )
        if self.as_written < UNRELATED:
            return (
                f"the group column agrees with the votes no better than chance (adjusted Rand index "
                f"{self.as_written:.3f}, n = {self.n:,}), in no order that was tried"
            )
        return f"the group column agrees with fresh groups (adjusted Rand index {self.as_written:.2f}, n = {self.n:,})"

    def to_json(self) -> dict[str, Any]:
        found = {name: round(value, 4) for name, value in self.in_order.items()}
        return {"as_written": round(self.as_written, 4), "in_order": found, "best": self.best, "n": self.n,
                "misaligned": self.misaligned, "said": self.explain()}  # fmt: skip


Order = Callable[[Sequence[int]], Sequence[int]]

#: Orders in which labels may have been made: each gives, for each label, the row that it belongs to.
ORDERS: Final[Mapping[str, Order]] = {
    "participants, sorted": lambda ids: sorted(range(len(ids)), key=lambda i: ids[i]),
    "participants, sorted as text": lambda ids: sorted(range(len(ids)), key=lambda i: str(ids[i])),
    "the file, backwards": lambda ids: range(len(ids) - 1, -1, -1),
    "the file, one row down": lambda ids: [(i + 1) % len(ids) for i in range(len(ids))],
    "the file, one row up": lambda ids: [(i - 1) % len(ids) for i in range(len(ids))],
}


def examine(people: Sequence[int], written: Labels, fresh: Labels) -> Alignment:
    """Compare a column of groups with fresh ones, in the order of the file and in every other that is known."""
    tried = {name: agreement(fresh, realigned(people, written, name)) for name, order in ORDERS.items()
             if list(order(people)) != list(range(len(people)))}  # fmt: skip
    return Alignment(agreement(fresh, written), tried, len(people))


def realigned(people: Sequence[int], written: Labels, order: str) -> Labels:
    """The labels, each beside the row that it belongs to if they were made in that order."""
    moved = np.empty_like(written)
    moved[np.array(ORDERS[order](people), dtype=np.int64)] = written
    return moved
