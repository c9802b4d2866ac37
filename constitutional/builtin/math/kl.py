"""Estimators of the divergence of a policy from a reference, from log-probabilities of what the policy said.

Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html).  All values are natural logarithms, so
divergences are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def k1(policy: Sequence[float], reference: Sequence[float]) -> list[float]:
    """log pi - log ref of each sampled token: without bias, of any sign, and of high variance.

    Their sum along an answer is that of the whole answer.  Raises `ValueError` where the two are not of one length.
    """
    return [ours - theirs for ours, theirs in zip(policy, reference, strict=True)]


def k3(policy: Sequence[float], reference: Sequence[float]) -> list[float]:
    """ref / pi - 1 - log(ref / pi) of each sampled token: without bias, and never below zero.

    The sum along an answer has the divergence of whole answers as its mean, since each token's mean is that of its
    next-token distribution.  Raises `ValueError` where the two are not of one length; infinite where a ratio is too large
    for a float.
    """
    return [_k3(theirs - ours) for ours, theirs in zip(policy, reference, strict=True)]


def _k3(log_ratio: float) -> float:
    try:
        return max(0.0, math.expm1(log_ratio) - log_ratio)
    except OverflowError:
        return math.inf
