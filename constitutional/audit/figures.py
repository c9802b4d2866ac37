"""How far judge and people agree, and people among themselves: by principle, by confidence, with intervals.

Items stand for the labels of their stratum (`weight`), so figures of all items are figures of all labels, whatever the
sample looked like.  Whole pairs are drawn in the bootstrap: several people's verdicts, and several principles' labels, of
one pair are no independent facts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from constitutional.audit.labels import BANDS, VERDICTS, Label
from constitutional.audit.sample import Item, Key
from constitutional.audit.verdicts import SKIPPED, Judged
from constitutional.builtin.math.figures import Figure, figure, generator, nothing
from constitutional.builtin.math.raters import (
    Counts,
    bootstrap,
    cohen_kappa,
    coincidences,
    confusion,
    krippendorff_alpha,
    raw_agreement,
)
from constitutional.builtin.math.statistics import Interval, wilson

NUMBER = {verdict: place for place, verdict in enumerate(VERDICTS)}
SIZE = len(VERDICTS)
#: One item's matrix and its pair.
Counted: TypeAlias = tuple[Counts, str]
ByItem: TypeAlias = dict[Item, list[Judged]]


def report(key: Key, judged: Sequence[Judged], missing: int = 0, margin: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """Every figure: judge with people, people among themselves; in all, by principle, by confidence, by annotator.

    The judge is taken to call a tie within `margin` of one half.
    """
    by_item = _by_item(judged)
    everybody = sorted({one.annotator for one in judged})
    return {
        "sample": {
            "run": key.run, "step": key.step, "labels": key.population, "unlabelled": key.unlabelled, "items": len(key.items),
            "annotators": everybody, "verdicts": len(judged), "skipped": sum(one.verdict is None for one in judged),
            "missing": missing, "margin": margin,
        },
        "all": _part(by_item, margin, seed, "all", missing),
        "by_principle": {
            name: _part(_where(by_item, lambda label: label.principle, name), margin, seed, f"principle/{name}")
            for name in sorted({item.label.principle for item in key.items})
        },
        "by_confidence": {
            name: _part(_where(by_item, lambda label: label.band, name), margin, seed, f"band/{name}") for name in BANDS
        },
        "by_annotator": {
            name: judge_with_people(_by_item([one for one in judged if one.annotator == name]), margin, seed, f"annotator/{name}")
            for name in everybody
        },
    }  # fmt: skip


def _by_item(judged: Sequence[Judged]) -> ByItem:
    found: dict[str, tuple[Item, list[Judged]]] = {}
    for one in judged:
        found.setdefault(one.item.id, (one.item, []))[1].append(one)
    return dict(found.values())


def _where(by_item: ByItem, of: Callable[[Label], str], name: str) -> ByItem:
    return {item: verdicts for item, verdicts in by_item.items() if of(item.label) == name}


def _part(by_item: ByItem, margin: float, seed: int, name: str, missing: int = 0) -> dict[str, Any]:
    return {
        "judge_with_people": judge_with_people(by_item, margin, seed, name, missing),
        "people": among_people(by_item, seed, name),
    }


def judge_with_people(by_item: ByItem, margin: float, seed: int, name: str, missing: int = 0) -> dict[str, Figure]:
    """Agreement, kappa and alpha of (judge, person) pairs; `without_ties` of those in which nobody calls a tie."""
    matrices, decided, crossed = [], [], []
    skipped = 0
    for item, verdicts in by_item.items():
        judge = NUMBER[item.label.verdict(margin)]
        said = [NUMBER[one.verdict] for one in verdicts if one.verdict is not None]
        skipped += len(verdicts) - len(said)
        pairs = [(judge, verdict) for verdict in said]
        firm = [pair for pair in pairs if NUMBER["tie"] not in pair]
        matrices.append((confusion(pairs, SIZE, item.weight), item.label.pair))
        decided.append((confusion(firm, SIZE, item.weight), item.label.pair))
        crossed.append((_paired(pairs, item.weight), item.label.pair))
    lost = {SKIPPED: skipped, "no verdict": missing}
    make = _Maker(seed, f"judge/{name}", lost)
    return {
        "agreement": make("agreement", matrices, raw_agreement),
        "without_ties": make("without_ties", decided, raw_agreement),
        "kappa": make("kappa", matrices, cohen_kappa),
        "alpha": make("alpha", crossed, krippendorff_alpha),
    }


def among_people(by_item: ByItem, seed: int, name: str) -> dict[str, Figure]:
    """Agreement and kappa of all pairs of people who judged the same item, and alpha of all of them together.

    A pair of people has no order, so each counts half in one order and half in the other: kappa is then that of Scott
    (1955), with the habits of all people pooled.
    """
    matrices, decided, together = [], [], []
    for item, verdicts in by_item.items():
        said = sorted((one.annotator, NUMBER[one.verdict]) for one in verdicts if one.verdict is not None)
        pairs = [(one[1], other[1]) for one, other in combinations(said, 2)]
        both = pairs + [(other, one) for one, other in pairs]
        firm = [pair for pair in both if NUMBER["tie"] not in pair]
        matrices.append((confusion(both, SIZE, item.weight / 2), item.label.pair))
        decided.append((confusion(firm, SIZE, item.weight / 2), item.label.pair))
        together.append((coincidences([verdict for _, verdict in said], SIZE, item.weight), item.label.pair))
    make = _Maker(seed, f"people/{name}", {})
    return {
        "agreement": make("agreement", matrices, raw_agreement),
        "without_ties": make("without_ties", decided, raw_agreement),
        "kappa": make("kappa", matrices, cohen_kappa),
        "alpha": make("alpha", together, krippendorff_alpha),
    }


def _paired(pairs: Sequence[tuple[int, int]], weight: float) -> Counts:
    """Each (judge, person) pair as a unit of two ratings."""
    return np.sum([coincidences(pair, SIZE, weight) for pair in pairs], axis=0) if pairs else np.zeros((SIZE, SIZE))


class _Maker:
    """Makes figures with one source of chance each."""

    def __init__(self, seed: int, name: str, unscored: dict[str, int]) -> None:
        self._seed, self._name, self._unscored = seed, name, unscored

    def __call__(self, what: str, counted: Sequence[Counted], statistic: Callable[[Counts], float]) -> Figure:
        there = [(matrix, pair) for matrix, pair in counted if matrix.sum() > 0]
        if not there:
            return nothing(self._unscored, "nobody judged the same items" if "people" in self._name else "no verdicts")
        rng = generator(self._seed, "audit", self._name, what)
        found = bootstrap([matrix for matrix, _ in there], statistic, rng, [pair for _, pair in there])
        n = len(there)
        if math.isnan(found.value):
            return nothing(self._unscored, "not defined: everybody always says the same")
        if math.isnan(found.low):
            return {**figure(Interval(found.value, found.value, found.value), n, "none", self._unscored), "low": None,
                    "high": None, "why": "not defined in most resamples"}  # fmt: skip
        if found.low == found.high and statistic is raw_agreement:
            clusters = len({pair for _, pair in there})
            bound = wilson(clusters if found.value > 0.5 else 0, clusters)
            return figure(Interval(found.value, min(bound.low, found.value), max(bound.high, found.value)), n,
                          "Wilson over pairs", self._unscored)  # fmt: skip
        return figure(found, n, "bootstrap over pairs", self._unscored)


# -- for a terminal --------------------------------------------------------------------------------------------------


def table(said: dict[str, Any]) -> list[str]:
    """The report as lines."""
    sample = said["sample"]
    people = ", ".join(sample["annotators"]) or "nobody"
    columns = ("agreement", "without_ties", "kappa", "alpha")
    lines = [
        f"{sample['items']} items of {sample['labels']:,} labels of {sample['step']}, judged by {people}: "
        f"{sample['verdicts']} verdicts, {sample['skipped']} skipped, {sample['missing']} missing",
        "",
    ]
    parts = [
        ("judge with people", said["all"]["judge_with_people"]),
        ("people among themselves", said["all"]["people"]),
    ]
    for group, label in (("by_principle", "  by "), ("by_confidence", "  where judge is ")):
        parts += [(f"{label}{name}", part["judge_with_people"]) for name, part in said[group].items()]
    parts += [(f"  with {name}", part) for name, part in said["by_annotator"].items()]
    grid = [["", *(what.replace("_", " ") for what in columns)]]
    grid += [[name, *(_cell(part.get(what)) for what in columns)] for name, part in parts]
    wide = [max(len(row[place]) for row in grid) for place in range(len(grid[0]))]
    return lines + ["  ".join(f"{cell:<{wide[i]}}" for i, cell in enumerate(row)).rstrip() for row in grid]


def _cell(found: Figure | None) -> str:
    if found is None:
        return ""
    if found["value"] is None:
        return "-"
    bounds = "" if found["low"] is None else f" [{_two(found['low'])}, {_two(found['high'])}]"
    return f"{_two(found['value'])}{bounds} n={found['n']}"


def _two(value: Any) -> str:
    """Two digits, and no minus before a zero."""
    return f"{round(value, 2) + 0.0:.2f}"
