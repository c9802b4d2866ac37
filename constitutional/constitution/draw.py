"""Which principles a row meets: weighted rendezvous hashing.

Every principle draws a score for every (seed, row, round); the highest wins.  A score depends on nothing but its own
principle's id and weight, so adding a principle moves only the rows that it wins, removing one only those that it had,
and editing a text none.  With u uniform in (0, 1), the score -weight / ln u makes each principle win in proportion to
its weight (Schindelhauer and Schomaker 2005; the same races that make the first of several exponential clocks).
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
    scored = sorted(drawable, key=lambda p: (-score(p, seed, row_id, round), p.id))
    return scored[:k]


def score(principle: Principle, seed: int, row_id: str, round: int = 0) -> float:
    """The principle's score for one row in one round."""
    u = uniform(digest(["principle", seed, row_id, round, principle.id]))
    return -principle.weight / math.log(u)


def uniform(hexadecimal: str) -> float:
    """A number in (0, 1), ends excluded, from the first 52 bits of a digest: the same on every machine."""
    return (int(hexadecimal[:13], 16) + 0.5) / 2.0**52
