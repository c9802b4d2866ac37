"""Rewards of rewards.  Where one part has no score, the whole has none: it is never renormalised over the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, pstdev

from constitutional.api import Messages
from constitutional.builtin.rewards.contract import Metas, Scored, Scorer, finite


class Combined:
    """A number made of several scorers' numbers, which are named for reasons and logs."""

    def __init__(self, parts: Mapping[str, Scorer], number: Callable[[Sequence[float]], float]) -> None:
        self._parts = dict(parts)
        self._number = number

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        columns = [part.score(dialogues, metas) for part in self._parts.values()]
        return [self._one(row) for row in zip(*columns, strict=True)]

    def _one(self, row: Sequence[Scored]) -> Scored:
        numbers: list[float] = []
        for name, one in zip(self._parts, row, strict=True):
            if one.value is None:
                return Scored(None, f"{name}: {one.reason}")
            numbers.append(one.value)
        return finite(self._number(numbers))


def weighted(parts: Mapping[str, Scorer], weights: Sequence[float]) -> Combined:
    """The weighted sum: alpha r_helpful + (1 - alpha) r_harmless and its like."""
    return Combined(parts, lambda row: sum(w * r for w, r in zip(weights, row, strict=True)))


def mean(parts: Mapping[str, Scorer]) -> Combined:
    """The mean of an ensemble (Coste et al. 2023, arXiv 2310.02743, section 3.3)."""
    return Combined(parts, fmean)


def worst(parts: Mapping[str, Scorer]) -> Combined:
    """The least of an ensemble: Coste et al.'s worst-case optimisation."""
    return Combined(parts, min)


def pessimistic(parts: Mapping[str, Scorer], penalty: float) -> Combined:
    """The mean minus `penalty` standard deviations of the ensemble.

    Coste et al.'s uncertainty-weighted optimisation takes the variance; the deviation has the rewards' own unit.
    """
    return Combined(parts, lambda row: fmean(row) - penalty * pstdev(row))


def normalised(name: str, part: Scorer, centre: float, deviation: float) -> Combined:
    """(r - centre) / deviation, with constants that were measured before."""
    return Combined({name: part}, lambda row: (row[0] - centre) / deviation)


class Hybrid:
    """alpha * helpful + (1 - alpha) * harmless, with an alpha for each value of one of the user's own columns."""

    def __init__(
        self, helpful: Scorer, harmless: Scorer, alpha: float | None, column: str, alphas: Mapping[str, float]
    ) -> None:
        self._helpful, self._harmless = helpful, harmless
        self._alpha, self._column, self._alphas = alpha, column, dict(alphas)

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        helpful, harmless = self._helpful.score(dialogues, metas), self._harmless.score(dialogues, metas)
        known: Sequence[Mapping[str, object]] = metas if metas is not None else [{}] * len(dialogues)
        return [self._one(*row) for row in zip(helpful, harmless, known, strict=True)]

    def _one(self, helpful: Scored, harmless: Scored, meta: Mapping[str, object]) -> Scored:
        alpha = self._alphas.get(_word(meta.get(self._column)), self._alpha)
        if alpha is None:
            return Scored(None, f"no alpha for its `{self._column}`")
        for name, part in (("helpful", helpful), ("harmless", harmless)):
            if part.value is None:
                return Scored(None, f"{name}: {part.reason}")
        assert helpful.value is not None
        assert harmless.value is not None
        return finite(alpha * helpful.value + (1 - alpha) * harmless.value)


def _word(value: object) -> str:
    """A value as keys of a spec are written."""
    return str(value).lower() if isinstance(value, bool) else str(value)
