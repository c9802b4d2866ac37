"""How far every opinion group agrees with a statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from constitutional.collective.opinion import Floats, Labels
from constitutional.collective.votes import Votes

#: Share of each group that must agree where no threshold is given: 0.85 of each of two groups make 0.7225.
SHARE: Final = 0.85
DRAWS: Final = 4000
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Consensus:
    """Counts are groups x statements; `value`, `low` and `high` have one number a statement."""

    agrees: NDArray[np.int64]
    disagrees: NDArray[np.int64]
    passes: NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats

    @property
    def seen(self) -> NDArray[np.int64]:
        """Votes of each group on each statement."""
        return self.agrees + self.disagrees + self.passes

    def passing(self, threshold: float) -> NDArray[np.bool_]:
        return np.asarray(self.value >= threshold)

    def uncertain(self, threshold: float) -> NDArray[np.bool_]:
        """Where the interval holds the threshold: with a few more votes it might fall on the other side."""
        return np.asarray((self.low < threshold) & (threshold <= self.high))


def consensus(votes: Votes, labels: Labels, seed: int = 0) -> Consensus:
    """Group-aware consensus: the product over groups of (agrees + 1) / (votes + 2) (Small et al. 2021).

    Each factor is the mean of the posterior Beta(agrees + 1, votes - agrees + 1) of a uniform prior, so the product is
    the posterior mean that a person of every group agrees; the interval is the posterior's, by draws.  A statement that
    a group never saw has one half for that group.
    """
    counted = [np.stack([(votes.matrix[labels == group] == said).sum(axis=0) for group in range(int(labels.max()) + 1)])
               for said in (1, -1, 0)]  # fmt: skip
    agrees, disagrees, passes = (count.astype(np.int64) for count in counted)
    seen = agrees + disagrees + passes
    value = np.prod((agrees + 1) / (seen + 2), axis=0)
    low, high = _interval(agrees, seen, np.random.default_rng(seed))
    return Consensus(agrees, disagrees, passes, value, low, high)


def _interval(agrees: NDArray[np.int64], seen: NDArray[np.int64], rng: np.random.Generator) -> tuple[Floats, Floats]:
    tail = (1 - CONFIDENCE) / 2
    bounds = np.empty((2, agrees.shape[1]))
    for j in range(agrees.shape[1]):
        drawn = rng.beta(agrees[:, j] + 1, seen[:, j] - agrees[:, j] + 1, size=(DRAWS, agrees.shape[0])).prod(axis=1)
        bounds[:, j] = np.quantile(drawn, [tail, 1 - tail])
    return bounds[0], bounds[1]


def default_threshold(groups: int) -> float:
    """What the product is when `SHARE` of each group agrees."""
    return float(SHARE**groups)
