"""Calibration by an audited sample: fit on some of it, and measure on the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from constitutional.api import Json, JsonObject
from constitutional.builtin.debiasers.audit import Audit, Judged, subject
from constitutional.builtin.debiasers.belief import probability
from constitutional.builtin.math.calibration import (
    Isotonic,
    Temperature,
    brier,
    calibration_error_interval,
    fit_isotonic,
    fit_temperature,
)
from constitutional.builtin.math.figures import Figure, average, change, figure, generator
from constitutional.builtin.math.statistics import CONFIDENCE, Interval
from constitutional.builtin.transforms.chance import uniform

Map: TypeAlias = Temperature | Isotonic
RESAMPLES = 200


class Audited(NamedTuple):
    """One audited row: what was said, what people say of it, what it is about, and its fold."""

    p: float
    verdict: float
    subject: Judged
    fold: int


class Fit(NamedTuple):
    """How a map is fitted to a sample."""

    method: Literal["temperature", "isotonic"]
    mirrored: bool

    def __call__(self, sample: Sequence[Audited]) -> Map:
        p, verdicts = [one.p for one in sample], [one.verdict for one in sample]
        return (
            fit_temperature(p, verdicts)
            if self.method == "temperature"
            else fit_isotonic(p, verdicts, mirrored=self.mirrored)
        )


def sample(rows: Sequence[Any], audit: Audit, count: int, seed: int) -> list[Audited]:
    """The rows that people judged too."""
    both = [(row, p, verdict) for row in rows
            if (p := probability(row)) is not None and (verdict := audit.verdict(row)) is not None]  # fmt: skip
    fold = folds({subject(row) for row, _, _ in both}, count, seed)
    return [Audited(p, verdict, subject(row), fold[subject(row)]) for row, p, verdict in both]


def folds(subjects: Iterable[Judged], count: int, seed: int) -> dict[Judged, int]:
    """A fold for each subject, of sizes that differ by one at most, by a hash of what was judged."""
    chance = {one: uniform("debiaser/calibrate", seed, [part.hex() for part in one]) for one in subjects}
    ordered = sorted(chance, key=lambda one: (chance[one], one))
    return {one: place % count for place, one in enumerate(ordered)}


def held_out(audited: Sequence[Audited], fit: Fit) -> list[tuple[Audited, float]]:
    """Each audited row with its probability from a map that has not seen its pair."""
    found = []
    for fold in sorted({one.fold for one in audited}):
        learned = fit([one for one in audited if one.fold != fold])
        found += [(one, learned(one.p)) for one in audited if one.fold == fold]
    return found


def figures(held_out: Sequence[tuple[Audited, float]], seed: int) -> JsonObject:
    """Calibration error and Brier score before, and after on pairs that a map has not seen."""
    if not held_out:
        return {}
    verdicts, clusters = [one.verdict for one, _ in held_out], [one.subject for one, _ in held_out]
    before, after = [one.p for one, _ in held_out], [p for _, p in held_out]
    was, now = brier(before, verdicts), brier(after, verdicts)
    return {
        "ece": {"before": _ece(before, verdicts, clusters, seed, "before"),
                "after": _ece(after, verdicts, clusters, seed, "after")},
        "brier": {"before": average(was, generator(seed, "calibrate/brier/before"), clusters, unit=True),
                  "after": average(now, generator(seed, "calibrate/brier/after"), clusters, unit=True)},
        "improved": change(was, now, generator(seed, "calibrate/improved"), clusters),
    }  # fmt: skip


def _ece(p: Sequence[float], verdicts: Sequence[float], clusters: Sequence[Judged], seed: int, when: str) -> Figure:
    found = calibration_error_interval(p, verdicts, generator(seed, "calibrate/ece", when), clusters)
    return figure(found, len(p), "cluster bootstrap, cross-validated" if when == "after" else "cluster bootstrap")


def said(fitted: Map, audited: Sequence[Audited], fit: Fit, seed: int, name: str) -> JsonObject:
    """What was fitted, on how many pairs: the temperature with an interval, or the corners of the map."""
    by: dict[Judged, list[Audited]] = {}
    for one in audited:
        by.setdefault(one.subject, []).append(one)
    if isinstance(fitted, Isotonic):
        return {"n": len(by), "corners": _corners(fitted)}
    clusters, rng, drawn = list(by.values()), generator(seed, "calibrate/temperature", name), []
    for _ in range(RESAMPLES):
        some = fit([one for place in rng.integers(0, len(clusters), len(clusters)) for one in clusters[place]])
        drawn += [some.temperature] if isinstance(some, Temperature) else []
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    found = Interval(fitted.temperature, float(low), float(high))
    return {"temperature": figure(found, len(clusters), "cluster bootstrap")}


def _corners(fitted: Isotonic) -> list[Json]:
    """The knots where the map bends."""
    knots = list(zip(fitted.knots, fitted.values, strict=True))
    last = len(knots) - 1
    return [[round(knot, 6), round(value, 6)] for place, (knot, value) in enumerate(knots)
            if place in (0, last) or value != knots[place - 1][1] or value != knots[place + 1][1]]  # fmt: skip
