"""Intervals and tests for figures that compare models on the same prompts.

Everything random takes a seeded `numpy.random.Generator`, so that a report is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RESAMPLES = 2000
CONFIDENCE = 0.95
#: Numbers drawn at once: bounds the memory of a bootstrap over many rows.
_AT_ONCE = 2_000_000


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of a share: within [0, 1], and of sensible width at 0 and at n.

    Wilson 1927; recommended for any n by Brown, Cai and DasGupta 2001.

    Raises:
        ValueError: unless 0 <= successes <= n and n > 0.
    """
    from scipy.special import ndtri

    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"no share: {successes} of {n}")
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, max(0.0, low), min(1.0, high))


def bootstrap_mean(values: Sequence[float], rng: np.random.Generator, clusters: Sequence[Hashable] | None = None,
                   resamples: int = RESAMPLES, confidence: float = CONFIDENCE) -> Interval:  # fmt: skip
    """Percentile bootstrap of a mean; whole clusters are drawn where values of one cluster are not independent.

    Efron 1979; clusters as in Miller 2024 (arXiv 2411.00640).

    Raises:
        ValueError: if there are no values, or not one cluster for each.
    """
    sums, counts = _by_cluster(values, clusters)
    means = _resampled(sums, counts, rng, resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(sums.sum() / counts.sum()), float(low), float(high))


def paired_bootstrap(ours: Sequence[float], theirs: Sequence[float], rng: np.random.Generator,
                     clusters: Sequence[Hashable] | None = None, resamples: int = RESAMPLES,
                     confidence: float = CONFIDENCE) -> Interval:  # fmt: skip
    """Bootstrap of the mean of `ours - theirs`, which were measured on the same prompts, in the same order.

    Raises:
        ValueError: if the two are not of one length, or empty.
    """
    differences = _differences(ours, theirs)
    return bootstrap_mean(differences.tolist(), rng, clusters, resamples, confidence)


def mcnemar_exact(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """Two-sided exact p that two models differ on the same prompts: a sign test on those where they disagree.

    McNemar 1947, with the binomial distribution instead of chi-squared; 1.0 where they never disagree.

    Raises:
        ValueError: if the two are not of one length, or empty.
    """
    from scipy.stats import binomtest

    differences = _differences(ours, theirs)
    only_ours, only_theirs = int((differences > 0).sum()), int((differences < 0).sum())
    if only_ours + only_theirs == 0:
        return 1.0
    return float(binomtest(only_ours, only_ours + only_theirs, 0.5).pvalue)


def sign_flip(ours: Sequence[float], theirs: Sequence[float], rng: np.random.Generator,
              clusters: Sequence[Hashable] | None = None, resamples: int = RESAMPLES) -> float:  # fmt: skip
    """Two-sided p that the mean difference is zero: a permutation test that swaps the two models by cluster.

    Fisher 1935.  The observed arrangement counts as one of the permutations (Phipson and Smyth 2010), so p > 0.

    Raises:
        ValueError: if the two are not of one length, or empty.
    """
    sums, _ = _by_cluster(_differences(ours, theirs).tolist(), clusters)
    seen, as_extreme = abs(sums.sum()), 0
    step = max(1, _AT_ONCE // len(sums))
    for start in range(0, resamples, step):
        signs = rng.integers(0, 2, size=(min(step, resamples - start), len(sums))) * 2 - 1
        as_extreme += int((np.abs(signs @ sums) >= seen - 1e-12).sum())
    return (as_extreme + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that hold the chance of any false alarm over all tests (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _differences(ours: Sequence[float], theirs: Sequence[float]) -> Floats:
    if len(ours) != len(theirs):
        raise ValueError(f"pairs are needed, not {len(ours)} values and {len(theirs)}")
    return np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)


def _by_cluster(values: Sequence[float], clusters: Sequence[Hashable] | None) -> tuple[Floats, Floats]:
    """Sum and number of the values of each cluster, in order of first appearance."""
    if not len(values):
        raise ValueError("there are no values")
    numbers = np.asarray(values, dtype=np.float64)
    if clusters is None:
        return numbers, np.ones_like(numbers)
    if len(clusters) != len(values):
        raise ValueError(f"{len(values)} values need as many clusters, not {len(clusters)}")
    place: dict[Hashable, int] = {}
    index = np.array([place.setdefault(name, len(place)) for name in clusters])
    sums = np.bincount(index, weights=numbers).astype(np.float64)
    return sums, np.bincount(index).astype(np.float64)


def _resampled(sums: Floats, counts: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    means = np.empty(resamples)
    step = max(1, _AT_ONCE // len(sums))
    for start in range(0, resamples, step):
        drawn = rng.integers(0, len(sums), size=(min(step, resamples - start), len(sums)))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return means
