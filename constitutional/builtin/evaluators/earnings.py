"""From rewards of answers to figures: means by model, paired differences from the baseline, and means by category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from constitutional.api import Json, JsonObject
from constitutional.builtin.evaluators.prompts import group_of
from constitutional.builtin.math.figures import DIGITS, Figure, average, change, generator
from constitutional.builtin.math.statistics import holm, sign_flip

if TYPE_CHECKING:
    from constitutional.builtin.evaluators.rewards import Earned


class Seen(NamedTuple):
    """One prompt's number for one model, or why there is none."""

    prompt: str
    cluster: Hashable
    value: float | None
    reason: str


def figures(
    earned: Sequence[Earned], labels: Sequence[str], baseline: str, seed: int, cluster: str | None
) -> JsonObject:
    """`models`, `compared` and `baseline`; every difference is `label - baseline` on prompts scored for both."""
    seen = {label: {"reward": _rewards(earned, label, cluster), "mean_words": _words(earned, label, cluster)}
            for label in labels}  # fmt: skip
    models = {label: {name: _mean(column, seed, label, name) for name, column in columns.items()}
              for label, columns in seen.items()}  # fmt: skip
    changes = {label: {name: _change(column, seen[baseline][name], seed, label, name) for name, column in columns.items()}
               for label, columns in seen.items() if label != baseline}  # fmt: skip
    tested = [found["reward"] for found in changes.values() if found["reward"]["value"] is not None]
    for figure, p in zip(tested, holm([float(str(figure["p"])) for figure in tested]), strict=True):
        figure["p_holm"] = round(p, DIGITS)
    return {"models": models, "compared": changes, "baseline": baseline}


def broken_down(earned: Sequence[Earned], columns: Sequence[str], labels: Sequence[str], seed: int,
                cluster: str | None) -> JsonObject:  # fmt: skip
    """Mean rewards by column of the prompts' own, by value, by model; columns that no prompt has are left out."""
    found: dict[str, Json] = {}
    for column in columns:
        values = sorted({str(one.row.meta[column]) for one in earned if column in one.row.meta})
        if values:
            found[column] = {value: _within(earned, column, value, labels, seed, cluster) for value in values}
    return found


def _within(earned: Sequence[Earned], column: str, value: str, labels: Sequence[str], seed: int,
            cluster: str | None) -> JsonObject:  # fmt: skip
    some = [one for one in earned if column in one.row.meta and str(one.row.meta[column]) == value]
    return {label: _mean(_rewards(some, label, cluster), seed, label, f"{column}/{value}") for label in labels}


def _rewards(earned: Sequence[Earned], label: str, cluster: str | None) -> list[Seen]:
    return [Seen(one.row.row_id, group_of(one.row, cluster), one.scored.value, one.scored.reason)
            for one in earned if one.label == label]  # fmt: skip


def _words(earned: Sequence[Earned], label: str, cluster: str | None) -> list[Seen]:
    return [Seen(one.row.row_id, group_of(one.row, cluster), None, one.scored.reason) if one.answer is None
            else Seen(one.row.row_id, group_of(one.row, cluster), float(len(one.answer.split())), "")
            for one in earned if one.label == label]  # fmt: skip


def _mean(column: Sequence[Seen], seed: int, label: str, name: str) -> Figure:
    there = [(one.value, one.cluster) for one in column if one.value is not None]
    without = Counter(one.reason for one in column if one.value is None)
    rng = generator(seed, label, name)
    return average([value for value, _ in there], rng, [group for _, group in there], without)


def _change(ours: Sequence[Seen], theirs: Sequence[Seen], seed: int, label: str, name: str) -> Figure:
    other = {one.prompt: one.value for one in theirs}
    pairs = [(one.value, value, one.cluster) for one in ours
             if one.value is not None and (value := other[one.prompt]) is not None]  # fmt: skip
    mine, base, groups = ([pair[0] for pair in pairs], [pair[1] for pair in pairs], [pair[2] for pair in pairs])
    figure = change(mine, base, generator(seed, label, name, "change"), groups, len(ours) - len(pairs))
    if pairs:
        p = sign_flip(mine, base, generator(seed, label, name, "test"), groups)
        figure.update({"p": round(p, DIGITS), "test": "sign flip"})
    return figure
