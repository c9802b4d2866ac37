"""Does a probability mean what it says?  Measures of calibration, and two maps that mend it.

Everywhere `p` holds probabilities and `y` what was true of each, [rows]: 1, 0, or a share where people differ.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from constitutional.builtin.math.probability import CLAMP, logit, sigmoid
from constitutional.builtin.math.statistics import CONFIDENCE, Floats, Interval

BINS = 10
#: Digits of a probability that an isotonic map tells apart: beyond them its two mirrored halves would round apart.
_DIGITS = 9
#: The widest range that a temperature is looked for in, as its logarithm.
_LOG_TEMPERATURE = (-5.0, 5.0)


class Temperature(NamedTuple):
    """sigma(logit(p) / T): one half stays one half, and the order of probabilities stays (Guo et al. 2017)."""

    temperature: float

    def __call__(self, p: float) -> float:
        return sigmoid(logit(p) / self.temperature)


class Isotonic(NamedTuple):
    """A non-decreasing map, linear between its knots and level beyond them (Zadrozny and Elkan 2002)."""

    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, p: float) -> float:
        return float(np.interp(round(p, _DIGITS), self.knots, self.values))


def brier(p: Sequence[float], y: Sequence[float]) -> list[float]:
    """(p - y)^2 of each row; its mean is the Brier score, 0 at best."""
    return [(said - true) ** 2 for said, true in zip(p, y, strict=True)]


def expected_calibration_error(p: Sequence[float], y: Sequence[float], bins: int = BINS) -> float:
    """Mean distance between what was said and what was true, over bins of equal width (Guo et al. 2017, equation 3).

    Raises:
        ValueError: if there are no rows.
    """
    return float(_error(np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64), bins))


def calibration_error_interval(p: Sequence[float], y: Sequence[float], rng: np.random.Generator,
                               clusters: Sequence[Hashable] | None = None,
                               resamples: int = 500) -> Interval:  # fmt: skip
    """The calibration error with a bootstrap interval that draws whole clusters.

    The error of few rows is biased upwards, and a resample's more so: the interval is that of the statistic as it is,
    moved so that its middle is the estimate, and cut at 0.

    Raises:
        ValueError: if there are no rows.
    """
    said, true = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    value = float(_error(said, true, BINS))
    names = list(clusters) if clusters is not None else list(range(len(said)))
    place: dict[Hashable, int] = {}
    index = np.array([place.setdefault(name, len(place)) for name in names])
    weights = rng.multinomial(len(place), np.full(len(place), 1 / len(place)), size=resamples)
    drawn = np.array([_error(said, true, BINS, row[index]) for row in weights])
    drawn += value - float(np.median(drawn))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, max(0.0, float(low)), min(1.0, float(high)))


def fit_temperature(p: Sequence[float], y: Sequence[float]) -> Temperature:
    """The temperature whose log-loss is least; convex in 1/T, so that there is one answer.

    Raises:
        ValueError: if there are no rows.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import expit, xlogy

    if not len(p):
        raise ValueError("there are no rows")
    logits, true = np.array([logit(said) for said in p]), np.asarray(y, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        said = np.clip(expit(logits * np.exp(-log_temperature)), CLAMP * 1e-4, 1 - CLAMP * 1e-4)
        return float(-(xlogy(true, said) + xlogy(1 - true, 1 - said)).mean())

    return Temperature(float(np.exp(minimize_scalar(loss, bounds=_LOG_TEMPERATURE, method="bounded").x)))


def fit_isotonic(p: Sequence[float], y: Sequence[float], *, mirrored: bool = False) -> Isotonic:
    """The non-decreasing map whose Brier score is least, held 1/(n + 2) away from 0 and 1.

    With `mirrored`, every row counts also as (1 - p, 1 - y): for probabilities whose side is arbitrary, so that one
    half stays one half.

    Raises:
        ValueError: if there are no rows.
    """
    from scipy.optimize import isotonic_regression

    if not len(p):
        raise ValueError("there are no rows")
    said, true = np.round(np.asarray(p, dtype=np.float64), _DIGITS), np.asarray(y, dtype=np.float64)
    edge = 1 / (len(said) + 2)
    if mirrored:
        said, true = np.concatenate([said, np.round(1 - said, _DIGITS)]), np.concatenate([true, 1 - true])
    knots, index = np.unique(said, return_inverse=True)
    weights = np.bincount(index).astype(np.float64)
    means = np.bincount(index, weights=true) / weights
    values = np.clip(isotonic_regression(means, weights=weights).x, edge, 1 - edge)
    return Isotonic(tuple(knots.tolist()), tuple(values.tolist()))


def _error(p: Floats, y: Floats, bins: int, weights: Floats | None = None) -> float:
    if not len(p):
        raise ValueError("there are no rows")
    held = np.ones(len(p)) if weights is None else weights.astype(np.float64)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.abs(np.bincount(index, weights=held * (p - y), minlength=bins))
    return float(gaps.sum() / held.sum())
