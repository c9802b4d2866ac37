"""How generous each judge is, beside the others who rated the same."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from constitutional.builtin.math.statistics import CONFIDENCE, Floats, Interval


def leniency(values: Sequence[float], items: Sequence[Hashable], judges: Sequence[str]) -> dict[str, float]:
    """What each judge adds to every rating: the least-squares fit of value = worth of the item + leniency of the judge.

    All three arguments are [ratings].  Leniencies add up to zero; judges who share no item with others have none.
    """
    names = sorted(set(judges))
    item, judge = _numbered(items), _numbered(judges, names)
    weights = np.ones(len(values))
    found = _fit(np.asarray(values, dtype=np.float64), item, judge, len(names), weights)
    return dict(zip(names, found.tolist(), strict=True))


def leniency_intervals(values: Sequence[float], items: Sequence[Hashable], judges: Sequence[str],
                       rng: np.random.Generator, resamples: int = 200) -> dict[str, Interval]:  # fmt: skip
    """`leniency` with bootstrap intervals that draw whole items."""
    names, estimate = sorted(set(judges)), leniency(values, items, judges)
    if not names:
        return {}
    said, item, judge = np.asarray(values, dtype=np.float64), _numbered(items), _numbered(judges, names)
    count = int(item.max()) + 1
    drawn = np.array([
        _fit(said, item, judge, len(names), rng.multinomial(count, np.full(count, 1 / count))[item].astype(np.float64))
        for _ in range(resamples)
    ])  # fmt: skip
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return {name: Interval(estimate[name], float(low[i]), float(high[i])) for i, name in enumerate(names)}


def _fit(values: Floats, item: np.ndarray, judge: np.ndarray, judges: int, weights: Floats) -> Floats:
    """Worths are eliminated: what is left are normal equations of the judges alone, [judges, judges]."""
    n = int(item.max()) + 1 if len(item) else 0
    seen = np.zeros((n, judges))
    np.add.at(seen, (item, judge), weights)
    total = np.maximum(seen.sum(axis=1), 1e-300)
    mean = np.bincount(item, weights=weights * values, minlength=n) / total
    normal = np.diag(seen.sum(axis=0)) - seen.T @ (seen / total[:, None])
    right = np.bincount(judge, weights=weights * (values - mean[item]), minlength=judges)
    found: Floats = np.linalg.pinv(normal, rcond=1e-9, hermitian=True) @ right
    return found


def _numbered(names: Sequence[Hashable], known: Sequence[Hashable] = ()) -> np.ndarray:
    place = {name: index for index, name in enumerate(known)}
    return np.array([place.setdefault(name, len(place)) for name in names], dtype=np.int64)
