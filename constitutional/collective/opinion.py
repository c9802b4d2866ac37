"""The map of opinions: principal components of the vote matrix, and the groups in it.

Needs scikit-learn, which is the extra `collective`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from constitutional.collective.votes import Votes
from constitutional.errors import DataError, UserError

Floats: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]
Missing: TypeAlias = Literal["zero", "mean"]
Samples: TypeAlias = Literal["statements", "people"]

#: Numbers of groups that are tried, as Polis does.
CHOICES: Final = (2, 3, 4, 5)
RESTARTS: Final = 10


@dataclass(frozen=True, slots=True)
class Map:
    """Where everybody stands: `points` is people x 2, `variance` the share that each component explains."""

    points: Floats
    variance: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The group of each person, 0 being the largest, and the mean silhouette of every number of groups tried."""

    labels: Labels
    silhouettes: dict[int, float]

    @property
    def k(self) -> int:
        return int(self.labels.max()) + 1


def opinion_map(votes: Votes, missing: Missing = "mean", samples: Samples = "people") -> Map:
    """Two principal components of the votes.

    Most votes are absent, since nobody is asked about everything.  `mean` puts the mean of the votes on that statement
    in their place, which says nothing (Small et al. 2021); `zero` a pass, as Huang et al. 2024 did.  With
    `samples="people"` people are the samples and are projected.  With `"statements"` statements are, each person's votes
    are centred on that person, and a person's place is the weight of that person in the components (the notebook of
    Huang et al.): whoever agrees with everything has no place on that map but what chance gives.

    Raises:
        DataError: if there are fewer than three people or statements, or nobody disagrees about anything.
    """
    filled = _filled(votes, missing)
    if min(filled.shape) < 3:
        raise DataError(f"{filled.shape[0]} people and {filled.shape[1]} statements make no map",
                        help="three of each are the least")  # fmt: skip
    rows = filled if samples == "people" else filled.T
    if np.allclose(rows, rows.mean(axis=0)):
        raise DataError("all votes are alike: there is no map of opinions", help="groups need something to differ in")
    found = _sklearn("decomposition").PCA(n_components=2, svd_solver="full").fit(rows)
    points = found.transform(rows) if samples == "people" else found.components_.T
    first, second = (float(share) for share in found.explained_variance_ratio_)
    return Map(_oriented(np.asarray(points, dtype=np.float64)), (first, second))


def _filled(votes: Votes, missing: Missing) -> Floats:
    seen = votes.seen
    filled = np.where(seen, votes.matrix, 0).astype(np.float64)
    if missing == "mean":
        means = filled.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        filled = np.where(seen, filled, means[None, :])
    return filled


def _oriented(points: Floats) -> Floats:
    """The sign of a component is arbitrary: the farthest point of each is put on its positive side."""
    farthest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    return np.asarray(points * np.where(farthest < 0, -1.0, 1.0))


def groups(points: Floats, seed: int = 0, choices: tuple[int, ...] = CHOICES, base: int | None = None) -> Grouping:
    """k-means for each number of groups; the mean silhouette chooses (Rousseeuw 1987), the smaller number on a tie.

    `base` first draws people together into so many small clusters and then groups their centres, as Polis does on its
    server.  The centres of a few hundred people depend on chance: groups of the points themselves hardly do.

    Raises:
        DataError: if there are too few different points for two groups.
    """
    with _one_thread():
        sites, member = _sites(points, seed, base)
        found = _tried(sites, seed, choices)
    if not found:
        raise DataError(f"{_different(sites)} different points make no {min(choices, default=2)} groups",
                        help="more people, or fewer groups")  # fmt: skip
    best = max(found, key=lambda k: (found[k][0], -k))
    return Grouping(by_size(found[best][1][member]), {k: value for k, (value, _) in found.items()})


def _sites(points: Floats, seed: int, base: int | None) -> tuple[Floats, Labels]:
    """What is grouped, and which of it each person belongs to."""
    if base is None or base >= len(points):
        return points, np.arange(len(points))
    small = _sklearn("cluster").KMeans(base, n_init=RESTARTS, random_state=seed).fit(points)
    return np.asarray(small.cluster_centers_), np.asarray(small.labels_)


def _tried(sites: Floats, seed: int, choices: tuple[int, ...]) -> dict[int, tuple[float, Labels]]:
    """Silhouette and labels for each number of groups that there are points for."""
    found = {}
    for k in sorted(set(choices)):
        if 2 <= k < len(sites) and k <= _different(sites):
            labels = _sklearn("cluster").KMeans(k, n_init=RESTARTS, random_state=seed).fit(sites).labels_
            found[k] = (float(_sklearn("metrics").silhouette_score(sites, labels)), np.asarray(labels))
    return found


def _different(sites: Floats) -> int:
    return len(np.unique(np.round(sites, 12), axis=0))


def _one_thread() -> Any:
    """Sums in one order, so that groups do not depend on how many cores there are; and on this little data it is quicker."""
    _sklearn("cluster")
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def by_size(labels: Labels) -> Labels:
    """The same groups, numbered from the largest; of two that are equal the one with the first person comes first."""
    names, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = sorted(range(len(names)), key=lambda i: (-int(counts[i]), int(first[i])))
    number = {names[i]: rank for rank, i in enumerate(order)}
    return np.array([number[label] for label in labels], dtype=np.int64)


def agreement(ours: Labels, theirs: Labels) -> float:
    """Adjusted Rand index of two groupings (Hubert and Arabie 1985): 1 for the same, about 0 for chance."""
    return float(_sklearn("metrics").adjusted_rand_score(ours, theirs))


def _sklearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise UserError("opinion groups need scikit-learn", help="pip install 'constitutional[collective]'") from error
