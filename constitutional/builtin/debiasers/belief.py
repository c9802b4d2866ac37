"""The one number in a record that debiasers work on, whatever the record: how to read it and how to put it back."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, TypeAlias

from constitutional.api import Preference, Rating, Record, Score, Vote

#: Records that hold one probability each.
Believing: TypeAlias = Vote | Preference | Score
BELIEVING: tuple[type[Record], ...] = (Vote, Preference, Score)


def probability(row: Any) -> float | None:
    """Of the answer shown first, of the chosen answer, or of being good; None where a vote abstains."""
    if isinstance(row, Vote):
        return None if row.abstained is not None else row.p_first
    return row.p_chosen if isinstance(row, Preference) else row.score


def with_probability(row: Any, p: float) -> Any:
    """The same row with another probability; a preference whose chosen answer falls behind is turned round."""
    if isinstance(row, Vote):
        return replace(row, p_first=p)
    if isinstance(row, Score):
        return replace(row, score=p)
    return replace(row, p_chosen=p) if p >= 0.5 else turned(row, 1.0 - p)


def turned(row: Preference, p_chosen: float) -> Preference:
    """The preference with its answers in each other's place."""
    agreement = None if row.agreement is None else 1.0 - row.agreement
    return replace(row, chosen=row.rejected, rejected=row.chosen, p_chosen=p_chosen, agreement=agreement)


def unit(row: Record) -> Hashable:
    """What a row is about: votes on one pair, and ratings of one response, are about the same thing."""
    if isinstance(row, Vote):
        return row.pair
    return row.response if isinstance(row, Rating) else row.row_id


def lead(row: Any) -> int | None:
    """How much longer, in characters, the answer is that `probability` speaks for; None where there are not two."""
    if isinstance(row, Preference):
        return len(row.chosen) - len(row.rejected)
    if isinstance(row, Vote):
        difference = len(row.first) - len(row.second)
        return difference if row.order == "ab" else -difference
    return None
