"""Every trainer, by name."""

from __future__ import annotations

from benchmarks.trainer_overhead import groups, kto, pairs, ppo, sft, steps
from benchmarks.trainer_overhead.setting import Case

CASES: dict[str, Case] = {**sft.CASES, **pairs.CASES, **kto.CASES, **groups.CASES, **ppo.CASES, **steps.CASES}
