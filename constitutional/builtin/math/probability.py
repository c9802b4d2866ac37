"""Probabilities and log-odds, finite at both ends."""

from __future__ import annotations

import math
from collections.abc import Iterable

#: How far from 0 and 1 a probability is held before its log-odds are taken.
CLAMP = 1e-4


def clamp(p: float, by: float = CLAMP) -> float:
    """`p` held within [by, 1 - by].

    Raises:
        ValueError: if `p` is not a number, or lies outside [0, 1].
    """
    if not 0.0 <= p <= 1.0:  # also false for NaN
        raise ValueError(f"not a probability: {p}")
    return min(max(p, by), 1.0 - by)


def logit(p: float, by: float = CLAMP) -> float:
    """Log-odds of a probability that is clamped first, so that a judge who is certain stays finite.

    Raises:
        ValueError: as `clamp`.
    """
    held = clamp(p, by)
    return math.log(held) - math.log1p(-held)


def sigmoid(x: float) -> float:
    """The logistic function, without overflow for any finite `x`."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    grown = math.exp(x)
    return grown / (1.0 + grown)


def weighted_mean(values: Iterable[tuple[float, float]]) -> float:
    """Mean of (value, weight) pairs, exactly rounded, so that their order cannot change it.

    Raises:
        ValueError: if the weights do not add up to more than zero.
    """
    pairs = list(values)
    total = math.fsum(weight for _, weight in pairs)
    if total <= 0:
        raise ValueError("the weights must add up to more than zero")
    return math.fsum(value * weight for value, weight in pairs) / total


def mean(values: Iterable[float]) -> float:
    """Mean, exactly rounded, so that the order of the values cannot change it."""
    return weighted_mean((value, 1.0) for value in values)
