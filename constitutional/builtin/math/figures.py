"""Figures: an estimate never travels without its n, its interval, its method and what could not be scored."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from constitutional.api import Json, row_seed
from constitutional.builtin.math.statistics import Interval, bootstrap_mean, paired_bootstrap, wilson

Figure = dict[str, Json]

#: Digits kept: the last bits of a sum may differ between machines, a report must not.
DIGITS = 6


def generator(seed: int, *names: str) -> np.random.Generator:
    """A random generator of its own for every figure: adding one figure changes no other."""
    return np.random.default_rng(row_seed(seed, "figure", "/".join(names)))


def share(hits: Sequence[bool], rng: np.random.Generator, clusters: Sequence[Hashable] | None = None,
          unscored: Mapping[str, int] | None = None) -> Figure:  # fmt: skip
    """The figure of a share: Wilson's interval, or a bootstrap by cluster where several rows make one cluster.

    A bootstrap of nothing but hits, or of none, has no width; Wilson's interval over the clusters stands in.
    """
    if not hits:
        return nothing(unscored)
    groups = len(set(clusters)) if clusters is not None else len(hits)
    if groups == len(hits):
        return figure(wilson(sum(hits), len(hits)), len(hits), "Wilson", unscored)
    if all(hits) or not any(hits):
        return figure(wilson(groups if hits[0] else 0, groups), len(hits), "Wilson over clusters", unscored)
    return figure(bootstrap_mean(hits, rng, clusters), len(hits), "cluster bootstrap", unscored)


def average(values: Sequence[float], rng: np.random.Generator, clusters: Sequence[Hashable] | None = None,
            unscored: Mapping[str, int] | None = None, *, unit: bool = False) -> Figure:  # fmt: skip
    """The figure of a mean, by bootstrap.

    Values that are all alike give a bootstrap without width.  Where they lie in [0, 1] (`unit`), the interval then
    reaches as far towards both ends as Wilson's interval of "0 of n are otherwise".
    """
    if not values:
        return nothing(unscored)
    groups = len(set(clusters)) if clusters is not None else len(values)
    grouped = groups < len(values)
    if unit and min(values) == max(values):
        value, reach = values[0], wilson(0, groups).high
        found = Interval(value, value * (1 - reach), value + (1 - value) * reach)
        return figure(found, len(values), "Wilson on differing values", unscored)
    method = "cluster bootstrap" if grouped else "bootstrap"
    return figure(bootstrap_mean(values, rng, clusters), len(values), method, unscored)


def change(ours: Sequence[float], theirs: Sequence[float], rng: np.random.Generator,
           clusters: Sequence[Hashable] | None = None, unscored: int = 0) -> Figure:  # fmt: skip
    """The figure of a paired difference of shares or means.

    Two models that never differ give a bootstrap without width; the difference of two shares is then bounded by
    Wilson's interval of "0 of n prompts differ".
    """
    if not ours:
        return nothing({"not scored for both": unscored} if unscored else None)
    found, method = paired_bootstrap(ours, theirs, rng, clusters), "paired bootstrap"
    shares = {*ours, *theirs} <= {0, 1}
    if found.low == found.high and shares:
        groups = len(set(clusters)) if clusters is not None else len(ours)
        reach = wilson(0, groups).high
        found = Interval(found.value, max(-1.0, found.low - reach), min(1.0, found.high + reach))
        method = "Wilson on differing prompts"
    return figure(found, len(ours), method, {"not scored for both": unscored} if unscored else None)


def figure(found: Interval, n: int, method: str, unscored: Mapping[str, int] | None = None) -> Figure:
    """One figure as it is written: `value`, `low`, `high`, `n`, `unscored`, `method`, and `reasons`."""
    value, low, high = (round(number, DIGITS) for number in found)
    return {"value": value, "low": low, "high": high, "n": n, **_unscored(unscored), "method": method}


def nothing(unscored: Mapping[str, int] | None = None, why: str = "nothing to measure") -> Figure:
    """The figure of what could not be measured: no value, rather than a zero, and `why`."""
    said = "nothing could be scored" if unscored else why
    return {"value": None, "low": None, "high": None, "n": 0, **_unscored(unscored), "method": "none", "why": said}


def _unscored(reasons: Mapping[str, int] | None) -> Figure:
    counted = {reason: count for reason, count in sorted((reasons or {}).items()) if count}
    return {"unscored": sum(counted.values()), **({"reasons": counted} if counted else {})}
