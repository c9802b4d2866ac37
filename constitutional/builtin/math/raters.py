"""How far raters agree beyond chance, from counts alone.

A *confusion* is a square matrix: how often one rater said row i where the other said column j, weights allowed.  All
figures here are functions of one such matrix, so that a bootstrap only has to add matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from constitutional.builtin.math.statistics import CONFIDENCE, RESAMPLES, Interval

Counts = NDArray[np.float64]
Statistic = Callable[[Counts], float]


def raw_agreement(confusion: Counts) -> float:
    """Share of pairs of ratings that are the same; NaN where there are none."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total > 0 else float("nan")


def cohen_kappa(confusion: Counts) -> float:
    """Agreement beyond what the two raters' own habits would give (Cohen 1960).

    NaN where it is not defined: no pairs, or both raters always say one and the same thing.
    """
    total = confusion.sum()
    if total <= 0:
        return float("nan")
    observed = np.trace(confusion) / total
    expected = float(confusion.sum(axis=0) @ confusion.sum(axis=1)) / total**2
    return float((observed - expected) / (1 - expected)) if expected < 1 - 1e-12 else float("nan")


def krippendorff_alpha(coincidences: Counts) -> float:
    """1 - observed / expected disagreement, nominal categories (Krippendorff 2011, section D).

    Takes the sum of the units' `coincidences`.  NaN where fewer than two ratings are paired, or all are the same.
    """
    values = coincidences.sum(axis=1)
    total = values.sum()
    if total <= 1:
        return float("nan")
    expected = (total**2 - (values**2).sum()) / (total - 1)
    observed = total - np.trace(coincidences)
    return float(1 - observed / expected) if expected > 1e-12 else float("nan")


def confusion(pairs: Sequence[tuple[int, int]], size: int, weight: float = 1.0) -> Counts:
    """The confusion of pairs of categories from 0 to `size` - 1."""
    made = np.zeros((size, size))
    for one, other in pairs:
        made[one, other] += weight
    return made


def coincidences(ratings: Sequence[int], size: int, weight: float = 1.0) -> Counts:
    """All ordered pairs of ratings of one unit, each with weight 1 / (m - 1); nothing for a single rating."""
    made = np.zeros((size, size))
    if len(ratings) < 2:
        return made
    counts = np.bincount(np.array(ratings), minlength=size).astype(np.float64)
    made = np.outer(counts, counts) - np.diag(counts)
    return np.asarray(weight * made / (len(ratings) - 1))


def bootstrap(matrices: Sequence[Counts], statistic: Statistic, rng: np.random.Generator,
              clusters: Sequence[Hashable] | None = None, resamples: int = RESAMPLES,
              confidence: float = CONFIDENCE) -> Interval:  # fmt: skip
    """Percentile bootstrap of a statistic of the sum of matrices; whole clusters are drawn.

    Resamples in which the statistic is not defined are left out.  The bounds are NaN where that is most of them, and the
    value is NaN where it is not defined.

    Raises:
        ValueError: if there are no matrices.
    """
    if not len(matrices):
        raise ValueError("there is nothing to resample")
    whole = np.stack(matrices)
    names = list(clusters) if clusters is not None else list(range(len(whole)))
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    sums = np.zeros((len(number), *whole.shape[1:]))
    np.add.at(sums, [number[name] for name in names], whole)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
    found = np.array([statistic(matrix) for matrix in np.tensordot(drawn, sums, axes=1)])
    found = found[~np.isnan(found)]
    if len(found) <= resamples / 2:
        return Interval(statistic(whole.sum(axis=0)), float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(statistic(whole.sum(axis=0)), float(low), float(high))
