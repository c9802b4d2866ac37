"""How strong contestants are, from who beat whom: Bradley-Terry by maximum likelihood.

P(i beats j) = sigma(s_i - s_j) (Bradley and Terry 1952), which is a logistic regression without intercept.  The estimate
does not depend on the order of the games, unlike sequential Elo updates (Chiang et al. 2024, arXiv 2403.04132, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from constitutional.builtin.math.statistics import CONFIDENCE, Floats, Interval

#: Points that stand for odds of ten to one, and the mean of all contestants.
SCALE, CENTRE = 400.0, 1000.0
RESAMPLES = 500
_STEPS, _CLOSE = 100, 1e-10


class Game(NamedTuple):
    """One comparison: `score` is 1 where `first` won, 0 where `second` did, one half for a tie."""

    first: str
    second: str
    score: float


class Standings(NamedTuple):
    """Points by contestant, strongest first; `unfinished` resamples gave no finite estimate and were left out."""

    points: dict[str, Interval]
    games: int
    unfinished: int


def strengths(wins: Floats) -> Floats:
    """Log-strengths [contestants], their mean at zero, from `wins` [i, j]: how often i beat j, a tie half for each.

    Newton's method on the concave log-likelihood, halving steps that overshoot.

    Raises:
        ValueError: where some contestants never lost to (or never met) the others: no finite estimate exists (Ford
            1957).
    """
    if not connected(wins):
        raise ValueError("some contestants never lost to the others, or never met them: no finite strengths exist")
    met = wins + wins.T
    s = np.zeros(len(wins))
    for _ in range(_STEPS):
        p = _expected(s)
        gradient = (wins - met * p).sum(axis=1)
        if float(np.abs(gradient).max()) < _CLOSE * max(1.0, float(met.sum())):
            break
        information = met * p * p.T
        # Only differences count: the constant direction, in which the information is zero, is held at zero.
        hessian = np.diag(information.sum(axis=1)) - information + 1.0 / len(wins)
        s = _uphill(s, np.linalg.solve(hessian, gradient), wins)
    centred: Floats = s - s.mean()
    return centred


def standings(games: Sequence[Game], rng: np.random.Generator, clusters: Sequence[Hashable] | None = None,
              resamples: int = RESAMPLES, confidence: float = CONFIDENCE) -> Standings:  # fmt: skip
    """Points on the Elo scale with percentile-bootstrap intervals; whole clusters are drawn where they are given.

    Raises:
        ValueError: as `strengths`; or if there is no game, a score outside [0, 1], or not one cluster a game.
    """
    names, table = _tables(games, clusters)
    estimate = _points(strengths(table.sum(axis=0)))
    drawn: list[Floats] = []
    for _ in range(resamples):
        counts = np.bincount(rng.integers(0, len(table), size=len(table)), minlength=len(table)).astype(np.float64)
        wins = np.tensordot(counts, table, axes=1)
        if connected(wins):
            drawn.append(_points(strengths(wins)))
    tail = (1 - confidence) / 2
    ends = np.quantile(np.array(drawn), [tail, 1 - tail], axis=0) if drawn else np.full((2, len(names)), np.nan)
    order = sorted(range(len(names)), key=lambda i: (-estimate[i], names[i]))
    found = {names[i]: Interval(float(estimate[i]), float(ends[0, i]), float(ends[1, i])) for i in order}
    return Standings(found, len(games), resamples - len(drawn))


def connected(wins: Floats) -> bool:
    """Whether every contestant has beaten (or tied) every other, if through third parties: the condition of Ford 1957."""
    beat = (wins > 0).astype(np.int64)
    return _reached(beat) and _reached(beat.T)


def _reached(beat: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> bool:
    seen = np.zeros(len(beat), dtype=bool)
    seen[0] = True
    for _ in range(len(beat)):
        seen |= seen @ beat > 0
    return bool(seen.all())


def _tables(games: Sequence[Game], clusters: Sequence[Hashable] | None) -> tuple[list[str], Floats]:
    """Names in order, and wins [clusters, i, j]; each game is a cluster of its own where none are given."""
    if not games:
        raise ValueError("there are no games")
    if clusters is not None and len(clusters) != len(games):
        raise ValueError(f"{len(games)} games need as many clusters, not {len(clusters)}")
    if not all(0.0 <= game.score <= 1.0 and game.first != game.second for game in games):
        raise ValueError("a game has two contestants and a score from 0 to 1")
    names = sorted({name for game in games for name in game[:2]})
    place = {name: i for i, name in enumerate(names)}
    groups: dict[Hashable, int] = {}
    index = [groups.setdefault(name, len(groups)) for name in (range(len(games)) if clusters is None else clusters)]
    table = np.zeros((len(groups), len(names), len(names)))
    first, second = ([place[name] for name in side] for side in list(zip(*games, strict=True))[:2])
    scores = np.array([game.score for game in games])
    np.add.at(table, (index, first, second), scores)
    np.add.at(table, (index, second, first), 1.0 - scores)
    return names, table


def _expected(s: Floats) -> Floats:
    """sigma(s_i - s_j) [i, j]."""
    return 0.5 * (1.0 + np.tanh((s[:, None] - s[None, :]) / 2))


def _uphill(s: Floats, step: Floats, wins: Floats) -> Floats:
    before = _likelihood(s, wins)
    for _ in range(30):
        if _likelihood(s + step, wins) >= before:
            return s + step
        step = step / 2
    return s


def _likelihood(s: Floats, wins: Floats) -> float:
    return -float((wins * np.logaddexp(0.0, s[None, :] - s[:, None])).sum())


def _points(s: Floats) -> Floats:
    return CENTRE + SCALE / math.log(10) * s
