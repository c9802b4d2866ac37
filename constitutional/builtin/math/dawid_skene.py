"""What is true where observers of unknown skill disagree: Dawid and Skene 1979, by expectation-maximisation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from constitutional.builtin.math.statistics import Floats

#: Added to every cell of a confusion matrix, so that an observer seen twice is not taken for infallible.
SMOOTHING = 0.5


class Estimate(NamedTuple):
    """What expectation-maximisation ends with."""

    #: Probability of each class for each item, [items, classes].
    posterior: Floats
    #: Probability of saying class s where t is true, [observers, t, s].
    confusion: Floats
    #: Share of each class, [classes].
    prior: Floats
    iterations: int


def dawid_skene(
    counts: Floats, smoothing: float = SMOOTHING, tolerance: float = 1e-8, most: int = 500, *, mirrored: bool = False
) -> Estimate:
    """Classes of items and error rates of observers, estimated together.

    `counts` is [items, observers, classes]: how often an observer said a class of an item; fractions are allowed, and
    an observer who said nothing has zeros.  Begins at each item's vote shares, then alternates error rates given
    classes (Dawid and Skene 1979, equations 2.3 and 2.4) with classes given error rates (2.5).  An item that nobody
    saw gets the prior.  The answer counts observers as independent; where they err together it is too sure.

    With `mirrored`, the second half of the items is the first one with its two classes exchanged, and every step keeps
    it so: such data have no share of classes to learn, and what rounding makes of one would grow until it outvotes all.

    Raises:
        ValueError: if `counts` has another shape, or a number in it is negative or not finite.
    """
    seen = np.asarray(counts, dtype=np.float64)
    if seen.ndim != 3 or seen.size == 0:
        raise ValueError(f"counts are [items, observers, classes], not {seen.shape}")
    if not np.isfinite(seen).all() or (seen < 0).any():
        raise ValueError("counts must be finite and not negative")
    if mirrored and (seen.shape[0] % 2 or seen.shape[2] != 2):
        raise ValueError(f"mirrored counts are [2 items, observers, 2 classes], not {seen.shape}")
    posterior = _even(_shares(seen.sum(axis=1)), mirrored)
    prior, confusion = _rates(seen, posterior, smoothing)
    moved, iterations = np.inf, 0
    while moved >= tolerance and iterations < most:
        before, posterior = posterior, _even(_classes(seen, prior, confusion), mirrored)
        prior, confusion = _rates(seen, posterior, smoothing)
        moved, iterations = float(np.abs(posterior - before).max()), iterations + 1
    return Estimate(posterior, confusion, prior, iterations)


def accuracy(confusion: Floats) -> Floats:
    """Chance of each observer to be right where all classes are equally likely, [observers]."""
    found: Floats = np.diagonal(confusion, axis1=1, axis2=2).mean(axis=1)
    return found


def _shares(votes: Floats) -> Floats:
    total = votes.sum(axis=1, keepdims=True)
    even = np.full_like(votes, 1 / votes.shape[1])
    np.divide(votes, total, out=even, where=total > 0)
    return even


def _even(posterior: Floats, mirrored: bool) -> Floats:
    """Each item as sure as its mirror image, where there are any."""
    if not mirrored:
        return posterior
    n = len(posterior) // 2
    first = (posterior[:n, 0] + posterior[n:, 1]) / 2
    return np.stack([np.concatenate([first, 1 - first]), np.concatenate([1 - first, first])], axis=1)


def _rates(seen: Floats, posterior: Floats, smoothing: float) -> tuple[Floats, Floats]:
    """Shares of the classes, and of what each observer says of each."""
    prior = posterior.mean(axis=0)
    said = np.einsum("it,ios->ots", posterior, seen) + smoothing
    return prior, said / said.sum(axis=2, keepdims=True)


def _classes(seen: Floats, prior: Floats, confusion: Floats) -> Floats:
    floor = np.finfo(np.float64).tiny
    logs = np.log(np.maximum(prior, floor)) + np.einsum("ios,ots->it", seen, np.log(np.maximum(confusion, floor)))
    grown = np.exp(logs - logs.max(axis=1, keepdims=True))
    found: Floats = grown / grown.sum(axis=1, keepdims=True)
    return found
