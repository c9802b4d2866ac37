"""What a step costs and what a training costs whatever its length, from trainings of two lengths.

Seconds are taken for `fixed + step * steps`.  A budget is meant for trainings of hours, of which the fixed part (loading,
scoring what was held out, comparing what was saved) is next to nothing; of trainings of seconds it is much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

#: How many times as many rows the longer trainings have.
LONGER = 3


class Growth(NamedTuple):
    """Seconds of each step, and seconds whatever the steps."""

    step: float
    fixed: float


def growth(shorter: tuple[int, float], longer: tuple[int, float]) -> Growth:
    """From two trainings, each its steps and its seconds.

    Raises:
        ValueError: if both have as many steps.
    """
    (few, little), (many, much) = shorter, longer
    if few == many:
        raise ValueError(f"both trainings have {few} steps; more rows are needed to tell what a step costs")
    step = (much - little) / (many - few)
    return Growth(step, little - step * few)


def of_side(shorter: Sequence[Mapping[str, Any]], longer: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of the least times of both lengths, by wall clock and by processor; and processor seconds around the training loop.

    The last are counted and not told from a difference, and so say more on a machine that has other things to do.
    """
    found: dict[str, Any] = {}
    for name in ("seconds", "cpu_seconds"):
        ends = [(len(runs[0]["losses"]), min(run[name] for run in runs)) for runs in (shorter, longer)]
        step, fixed = growth(*ends)
        found |= {
            f"{name}_a_step": round(step, 5),
            f"fixed_{name}": round(fixed, 3),
            f"longer_{name}": round(ends[1][1], 3),
        }
    for key, runs in (("around_cpu_seconds", shorter), ("longer_around_cpu_seconds", longer)):
        around = [run[key.removeprefix("longer_")] for run in runs]
        found[key] = None if None in around else round(min(around), 3)
    return found


def compared(ours: Mapping[str, Any], bare: Mapping[str, Any], budget: float) -> dict[str, Any]:
    """A step of ours to a step of the script, and how many seconds more ours takes whatever the steps."""
    ratio, processor = (ours[f"{name}_a_step"] / bare[f"{name}_a_step"] for name in ("seconds", "cpu_seconds"))
    return {
        "ratio_a_step": round(ratio, 3),
        "cpu_ratio_a_step": round(processor, 3),
        "longer_cpu_ratio": round(ours["longer_cpu_seconds"] / bare["longer_cpu_seconds"], 3),
        "fixed_seconds_more": round(ours["fixed_seconds"] - bare["fixed_seconds"], 3),
        "fixed_cpu_seconds_more": round(ours["fixed_cpu_seconds"] - bare["fixed_cpu_seconds"], 3),
        "cpu_within_a_step": processor <= budget,
    }
