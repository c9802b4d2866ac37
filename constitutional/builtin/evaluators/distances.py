"""From log-probabilities to figures of divergence: by model, and by category of the prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from constitutional.api import Json, JsonObject
from constitutional.builtin.evaluators.prompts import group_of
from constitutional.builtin.math.figures import Figure, average, generator, share
from constitutional.builtin.math.kl import k1, k3

if TYPE_CHECKING:
    from constitutional.builtin.evaluators.divergence import Weighed

Estimator = Callable[[Sequence[float], Sequence[float]], list[float]]

ESTIMATORS: dict[str, Estimator] = {"kl": k1, "kl_k3": k3}
NAMES = ("kl", "kl_k3", "kl_per_token", "kl_k3_per_token", "mean_tokens", "rewritten")


def figures(weighed: Sequence[Weighed], labels: Sequence[str], seed: int, cluster: str | None) -> JsonObject:
    """`models`: the figures of each, by label."""
    return {"models": {label: _of(_mine(weighed, label), label, seed, cluster) for label in labels}}


def broken_down(weighed: Sequence[Weighed], columns: Sequence[str], labels: Sequence[str], seed: int,
                cluster: str | None) -> JsonObject:  # fmt: skip
    """`kl` by column of the prompts' own, by value, by model; columns that no prompt has are left out."""
    found: dict[str, Json] = {}
    for column in columns:
        values = sorted({str(one.row.meta[column]) for one in weighed if column in one.row.meta})
        if values:
            found[column] = {value: {label: _answers(_within(weighed, column, value, label), k1, cluster,
                                                     (seed, label, f"{column}/{value}"))
                                     for label in labels} for value in values}  # fmt: skip
    return found


def _of(mine: Sequence[Weighed], label: str, seed: int, cluster: str | None) -> dict[str, Json]:
    found: dict[str, Json] = {name: _answers(mine, estimator, cluster, (seed, label, name))
                              for name, estimator in ESTIMATORS.items()}  # fmt: skip
    for name, estimator in ESTIMATORS.items():
        found[f"{name}_per_token"] = _tokens(mine, estimator, cluster, (seed, label, f"{name}_per_token"))
    there, groups = _there(mine, cluster)
    lengths = [float(len(one.policy.tokens)) for one in there if one.policy]
    found["mean_tokens"] = average(lengths, generator(seed, label, "mean_tokens"), groups, _reasons(mine))
    rewritten = [one.rewritten for one in there]
    found["rewritten"] = share(rewritten, generator(seed, label, "rewritten"), groups, _reasons(mine))
    return {name: found[name] for name in NAMES}


def _answers(mine: Sequence[Weighed], estimator: Estimator, cluster: str | None, key: tuple[int, str, str]) -> Figure:
    """The mean over whole answers."""
    there, groups = _there(mine, cluster)
    return average([sum(_values(one, estimator)) for one in there], generator(*key), groups, _reasons(mine))


def _tokens(mine: Sequence[Weighed], estimator: Estimator, cluster: str | None, key: tuple[int, str, str]) -> Figure:
    """The mean over all tokens of all answers; answers are drawn whole."""
    there, groups = _there(mine, cluster)
    values = [(value, group) for one, group in zip(there, groups, strict=True) for value in _values(one, estimator)]
    return average([value for value, _ in values], generator(*key), [group for _, group in values], _reasons(mine))


def _values(one: Weighed, estimator: Estimator) -> list[float]:
    assert one.policy is not None
    assert one.reference is not None
    return estimator(one.policy.logprobs, one.reference.logprobs)


def _there(mine: Sequence[Weighed], cluster: str | None) -> tuple[list[Weighed], list[Hashable]]:
    """The answers that were weighed, and which of them are independent of each other."""
    there = [one for one in mine if not one.reason]
    return there, [group_of(one.row, cluster) for one in there]


def _reasons(mine: Sequence[Weighed]) -> Counter[str]:
    """Answers without log-probabilities, by reason: they count as answers, also where a figure's n counts tokens."""
    return Counter(one.reason for one in mine if one.reason)


def _mine(weighed: Sequence[Weighed], label: str) -> list[Weighed]:
    return [one for one in weighed if one.label == label]


def _within(weighed: Sequence[Weighed], column: str, value: str, label: str) -> list[Weighed]:
    return [one for one in _mine(weighed, label) if column in one.row.meta and str(one.row.meta[column]) == value]
