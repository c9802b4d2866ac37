"""One measurement of a policy: a number for each held-out prompt and quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean
from typing import Any

from constitutional.builtin.math import figures

#: What has no unit of its own in the log but its mean.
LOOKS = ("lists", "bold", "headings", "hedges")
#: What is logged with its interval.
REWARDS = ("proxy", "gold")
Column = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Measurement:
    """The numbers of one step, by quantity and in the order of the prompts; None is what could not be scored.

    `kl` is in nats an answer, `entropy` in nats a token, `length` in tokens with the end of the turn; `ended` and the
    looks are 0 or 1, `repetition` is a share of word triples, `disagreement` a deviation between ensemble members.
    """

    step: int
    columns: Mapping[str, Column]

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Measurement:
        return cls(int(said["step"]), {name: tuple(column) for name, column in said["columns"].items()})

    def to_json(self) -> dict[str, Any]:
        return {"step": self.step, "columns": {name: list(column) for name, column in self.columns.items()}}

    def scored(self, name: str) -> list[float]:
        """The numbers of a quantity that are there."""
        return [value for value in self.columns.get(name, ()) if value is not None]

    def mean(self, name: str) -> float | None:
        """The mean over the prompts that have a number; None where none has, or it is not measured."""
        found = self.scored(name)
        return fmean(found) if found else None

    def figure(self, name: str, seed: int) -> dict[str, Any]:
        """The mean with its n, its interval and what is unscored."""
        column = self.columns.get(name, ())
        missing = sum(value is None for value in column)
        rng = figures.generator(seed, "watch", name, str(self.step))
        return figures.average(self.scored(name), rng, unscored={"no score": missing} if missing else None)

    def line(self, seed: int) -> dict[str, float]:
        """What the log says of it."""
        said: dict[str, float] = {"held_out_n": float(len(self.columns["kl"]))}
        for name in self.columns:
            value = self.mean(name)
            if value is not None:
                said[f"held_out_{name}"] = value
        said["held_out_sqrt_kl"] = sqrt(said["held_out_kl"])
        for name in REWARDS:
            found = self.figure(name, seed)
            if found["value"] is not None:
                said |= {f"held_out_{name}_{end}": float(found[end]) for end in ("low", "high")}
            if name in self.columns:
                said[f"held_out_{name}_unscored"] = float(found["unscored"])
        return said


def pairs(now: Measurement, then: Measurement, name: str) -> tuple[Sequence[float], Sequence[float]]:
    """The numbers of a quantity for the prompts that have one in both measurements."""
    both = [(a, b) for a, b in zip(now.columns.get(name, ()), then.columns.get(name, ()), strict=True)
            if a is not None and b is not None]  # fmt: skip
    return [a for a, _ in both], [b for _, b in both]


def rise(now: Measurement, then: Measurement, name: str) -> float | None:
    """The mean change over prompts scored in both; None where they are fewer than half of all."""
    ours, theirs = pairs(now, then, name)
    if not ours or 2 * len(ours) < len(now.columns[name]):
        return None
    return fmean(ours) - fmean(theirs)
