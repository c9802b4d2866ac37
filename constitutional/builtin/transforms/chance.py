"""Chance that belongs to a row: what befalls one does not depend on which others there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from constitutional.api import Json, Record, digest


def uniform(*names: Json) -> float:
    """A number in (0, 1) that is a function of `names` alone."""
    return (int(digest(list(names))[:13], 16) + 0.5) / 2.0**52


def ranked(rows: Iterable[Record], *names: Json) -> Iterator[tuple[float, int]]:
    """For each row its chance and its place; twins of one id have a chance each."""
    seen: Counter[str] = Counter()
    for place, row in enumerate(rows):
        yield uniform(*names, row.row_id, seen[row.row_id]), place
        seen[row.row_id] += 1
