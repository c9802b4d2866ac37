"""How far length alone explains preferences, and what they are without it.

After Dubois et al. 2024 (arXiv 2404.04475, section 3): logit P(first beats second) = theta + phi tanh(d / std(d)), with d
the difference in length; the controlled preference is the one with the term in phi removed.  There theta is the
difference of two models over all prompts.  Here each pair keeps what is left of its own log-odds, and which answer of a
pair is called the first is arbitrary, so that over all pairs, each counted both ways, theta is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from constitutional.builtin.math.probability import CLAMP, logit, sigmoid
from constitutional.builtin.math.statistics import CONFIDENCE, RESAMPLES, Floats, Interval

#: Weight of a pull of phi towards zero, as strong as a few pairs: keeps it finite where the longer always wins.
RIDGE = 1.0
_STEPS = 50
#: Numbers held at once by the bootstrap.
_AT_ONCE = 2_000_000


def scaled(differences: Sequence[float]) -> Floats:
    """tanh(d / std(d)) of each pair, [pairs]; zeros where all lengths are alike.

    The mean of d is zero, since each pair counts both ways.
    """
    d = np.asarray(differences, dtype=np.float64)
    spread = float(np.sqrt(np.mean(d * d))) if len(d) else 0.0
    found: Floats = np.tanh(d / spread) if spread > 0 else np.zeros_like(d)
    return found


def length_effect(p: Sequence[float], x: Floats, ridge: float = RIDGE) -> float:
    """phi: the log-odds that a much longer answer earns, by logistic regression of `p` on `x`, both [pairs]."""
    weights = np.ones((1, len(x)))
    return float(_newton(np.asarray(p, dtype=np.float64), x, weights, ridge)[0])


def length_effect_interval(p: Sequence[float], x: Floats, rng: np.random.Generator, ridge: float = RIDGE,
                           resamples: int = RESAMPLES // 4) -> Interval:  # fmt: skip
    """phi with a bootstrap interval over pairs.

    Raises:
        ValueError: if there are no pairs.
    """
    n = len(x)
    if n == 0:
        raise ValueError("there are no pairs")
    said, drawn = np.asarray(p, dtype=np.float64), []
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=min(step, resamples - start))
        drawn.append(_newton(said, x, weights.astype(np.float64), ridge))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    return Interval(length_effect(p, x, ridge), float(low), float(high))


def without_length(p: float, x: float, phi: float, clamp: float = CLAMP) -> float:
    """sigma(logit p - phi x): the preference with the term of length removed."""
    return sigmoid(logit(p, clamp) - phi * x)


def _newton(p: Floats, x: Floats, weights: Floats, ridge: float) -> Floats:
    """phi of each row of `weights` [resamples, pairs]; the penalised loss is convex, and steps are held to 1."""
    from scipy.special import expit

    phi = np.zeros(len(weights))
    for _ in range(_STEPS):
        said = expit(phi[:, None] * x)
        slope = (weights * (p - said) * x).sum(axis=1) - ridge * phi
        curve = (weights * said * (1 - said) * x * x).sum(axis=1) + ridge
        step = np.clip(slope / curve, -1.0, 1.0)
        phi = phi + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return phi
