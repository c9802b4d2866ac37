"""Which principles a row meets: weighted rendezvous hashing.

Every principle draws a score for every (seed, row, round); the highest wins.  A score depends on nothing but its own
principle's id and weight, so adding a principle moves only the rows that it wins, removing one only those that it had,
and editing a text none.  With u uniform in (0, 1), the score -weight / ln u makes each principle win in proportion to
its weight (Schindelhauer and Schomaker 2005; the same races that make the first of several exponential clocks).

Principles that carry a `Lot` are drawn in one of two other ways, both made of the same scores:

*group*: groups race by their own weights, however many principles they have, and principles race within their group;
the first principle of each group comes before the second of any.

*priority*: principles of the group with the highest priority come first, ordered by their scores, then those of the
next; a later round goes on where the round before it ended, so that no row meets one twice before it has met all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from constitutional.constitution.model import Principle
from constitutional.ids import digest


def draw(principles: Sequence[Principle], seed: int, row_id: str, round: int = 0, k: int = 1) -> list[Principle]:
    """The `k` principles with the highest scores, the winner first; all of them where `k` is larger.

    Principles of weight 0 are never drawn.

    Raises:
        ValueError: if `k` is negative, or no principle can be drawn.
    """
    if k < 0:
        raise ValueError(f"k must not be negative, not {k}")
    drawable = [p for p in principles if p.weight > 0]
    if not drawable and k:
        raise ValueError("there is no principle to draw")
    lot = drawable[0].lot if drawable else None
    if lot is None:
        return sorted(drawable, key=lambda p: (-score(p, seed, row_id, round), p.id))[:k]
    if lot.mode == "group":
        return _by_group(drawable, seed, row_id, round)[:k]
    ordered = sorted(drawable, key=lambda p: (_priority(p), -score(p, seed, row_id), p.id))
    start = round * k % max(1, len(ordered))
    return (ordered[start:] + ordered[:start])[:k]


def _by_group(drawable: Sequence[Principle], seed: int, row_id: str, round: int) -> list[Principle]:
    """All principles: the best of each group in the order of the groups' scores, then the second best, and so on."""
    groups: dict[str, list[Principle]] = {}
    for principle in sorted(drawable, key=lambda p: (-score(p, seed, row_id, round), p.id)):
        groups.setdefault(principle.group, []).append(principle)
    weights = {name: several[0].lot.group_weight if several[0].lot else 1.0 for name, several in groups.items()}
    race = {name: _race(weight, digest(["group", seed, row_id, round, name])) for name, weight in weights.items()}
    places = [(place, -race[name], name, p) for name, several in groups.items() for place, p in enumerate(several)]
    return [p for *_, p in sorted(places, key=lambda place: place[:3])]


def _priority(principle: Principle) -> int:
    return 1 if principle.lot is None else principle.lot.priority


def score(principle: Principle, seed: int, row_id: str, round: int = 0) -> float:
    """The principle's score for one row in one round."""
    return _race(principle.weight, digest(["principle", seed, row_id, round, principle.id]))


def _race(weight: float, hexadecimal: str) -> float:
    return -weight / math.log(uniform(hexadecimal))


def uniform(hexadecimal: str) -> float:
    """A number in (0, 1), ends excluded, from the first 52 bits of a digest: the same on every machine."""
    return (int(hexadecimal[:13], 16) + 0.5) / 2.0**52
