"""How much a judge's verdicts depend on the order in which it reads two answers.

Each argument is the log-odds that the judge gave to the answer *shown first*: once with the pair in its own order
(`ab`), once swapped (`ba`).  With content preference d and position preference b, ab = b + d and ba = b - d.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

Winner: TypeAlias = Literal["first", "second", "tie"]


def position_preference(ab: float, ba: float) -> float:
    """b: the log-odds that standing first earns, whatever is said; sigmoid(b) is its chance against its equal."""
    return (ab + ba) / 2


def content_preference(ab: float, ba: float) -> float:
    """d: the log-odds that the pair's first answer is better, with the position taken out."""
    return (ab - ba) / 2


def same_position(ab: float, ba: float) -> bool:
    """Whether the same *position* wins in both orders, so that the preferred answer flips.

    Lee et al. 2023 (arXiv 2309.00267): the share of such pairs is the judge's position bias.
    """
    return ab * ba > 0


def consistent(ab: float, ba: float) -> bool:
    """Whether the same *answer* wins in both orders."""
    return ab * ba < 0


def winner(logit: float, margin: float = 0.0) -> Winner:
    """Which side log-odds favour, with a tie where the probability is within `margin` of one half."""
    from constitutional.builtin.math.probability import sigmoid

    distance = sigmoid(logit) - 0.5
    if abs(distance) <= max(margin, 1e-12):
        return "tie"
    return "first" if distance > 0 else "second"
