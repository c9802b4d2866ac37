"""Both sides in turns, each in a process of its own, and what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead import growth
from benchmarks.trainer_overhead.cases import CASES
from benchmarks.trainer_overhead.setting import Setting
from benchmarks.trainer_overhead.sizes import flops_a_token, peak_flops

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 1.03


class Side:
    """A process that trains when it is told to."""

    def __init__(self, case: str, side: str, setting: Setting, rows: int, words: int) -> None:
        said = {"case": case, "side": side, "setting": asdict(setting), "rows": rows, "words": words}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.trainer_overhead.worker", json.dumps(said)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        #: Trainings on the rows that were asked for, and on `growth.LONGER` times as many.
        self.runs: list[dict[str, Any]] = []
        self.longer: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {}

    def warm(self) -> None:
        """Wait for the first training, which counts for nothing."""
        self.about = self._said()

    def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process ended with {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def train(self, rows: int, into: list[dict[str, Any]]) -> None:
        assert self._process.stdin is not None
        print(rows, file=self._process.stdin, flush=True)
        into.append(self._said())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compared(name: str, setting: Setting, rows: int, words: int, times: int, sides: Sequence[str]) -> dict[str, Any]:
    """Train `times` times on each side, one after the other, on `rows` rows and on more of them."""
    case = CASES[name]
    setting = replace(setting, **case.options)
    working: dict[str, Side] = {}
    try:
        for side in sides:
            working[side] = Side(name, side, replace(setting, defaults=side == "defaults"), rows, words)
        for one in working.values():
            one.warm()
        for turn in range(times):
            for side in sides if turn % 2 == 0 else reversed(sides):
                one = working[side]
                one.train(rows, one.runs)
                one.train(rows * growth.LONGER, one.longer)
    finally:
        for one in working.values():
            one.end()
    said: dict[str, Any] = {"trainer": name, "script": case.script, "rows": rows, "words": words, "times": times}
    for side, one in working.items():
        said[side] = figures(one, setting, case.flops) | growth.of_side(one.runs, one.longer)
    said |= growth.compared(said["ours"], said["bare"], BUDGET)
    return said | verdict(said, working["ours"].runs[0], working["bare"].runs[0], case.differs)


def figures(side: Side, setting: Setting, factor: float | None) -> dict[str, Any]:
    """The least time of the runs, since what else a machine does only adds; peak memory is that of the first."""
    seconds = [run["seconds"] for run in side.runs]
    first = side.runs[0]
    tokens = first["sampled"] if first["sampled"] is not None else round(side.about["texts"] * setting.epochs)
    found = {
        "seconds": round(min(seconds), 3), "all_seconds": [round(one, 3) for one in seconds],
        "cpu_seconds": round(min(run["cpu_seconds"] for run in side.runs), 3), "memory_mb": round(first["memory_mb"]),
        "tokens": tokens, "tokens_per_second": round(tokens / min(seconds)), "steps": len(first["losses"]),
        "last_loss": first["losses"][-1],
    }  # fmt: skip
    if first["accelerator_mb"] is not None:
        found["accelerator_mb"] = round(first["accelerator_mb"])
    peak = peak_flops()
    if peak is not None and factor is not None:
        length = side.about["texts"] / side.about["rows"]
        found["utilisation"] = round(
            tokens * flops_a_token(Path(setting.model), factor, length) / min(seconds) / peak, 4
        )
    return found


def verdict(said: dict[str, Any], ours: dict[str, Any], bare: dict[str, Any], differs: str) -> dict[str, Any]:
    """The ratio of the times, also a token where both sample, and how far losses and rewards are apart."""
    ratio = said["ours"]["seconds"] / said["bare"]["seconds"]
    processor = said["ours"]["cpu_seconds"] / said["bare"]["cpu_seconds"]
    found = {"ratio": round(ratio, 3), "cpu_ratio": round(processor, 3), "steps": len(ours["losses"]), "same_steps": len(ours["losses"]) == len(bare["losses"]),
             "largest_difference_of_losses": apart(ours["losses"], bare["losses"])}  # fmt: skip
    if ours["sampled"]:
        ratio *= said["bare"]["tokens"] / said["ours"]["tokens"]
        found["ratio_a_token"] = round(ratio, 3)
    if ours["rewards"]:
        found["largest_difference_of_rewards"] = apart(ours["rewards"], bare["rewards"])
    return {**found, "within": ratio <= BUDGET, **({"losses_differ_because": differs} if differs else {})}


def apart(ours: Sequence[float], bare: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(ours, bare, strict=False))


def around(ours: dict[str, Any], bare: dict[str, Any]) -> str:
    """Seconds around the training loop, of both lengths; a loop of our own has none that is told apart."""
    names = ("around_cpu_seconds", "longer_around_cpu_seconds")
    pairs = [(ours[name], bare[name]) for name in names]
    return "; ".join(f"{a:.2f} / {b:.2f}" for a, b in pairs) if all(None not in pair for pair in pairs) else "-"


def table(found: Sequence[dict[str, Any]]) -> str:
    """One line a trainer, in Markdown."""
    wide = any("utilisation" in one["ours"] for one in found)
    heads = ["trainer", "beside", "ours, s", "bare, s", "ratio", "CPU ratio", "CPU ratio, 3 x rows", "CPU ratio of a step", "CPU s more, fixed", "CPU s around the loop, ours / bare", "steps", "losses apart", "ours, MB", "bare, MB", "ours, tokens/s",
             "bare, tokens/s", *(["MFU ours", "MFU bare"] if wide else [])]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    for one in found:
        ours, bare = one["ours"], one["bare"]
        apart = "by design" if "losses_differ_because" in one else f"{one['largest_difference_of_losses']:.2g}"
        cells = [f"`{one['trainer']}`", one["script"], f"{ours['seconds']:.2f}", f"{bare['seconds']:.2f}", f"{one['ratio']:.2f}", f"{one['cpu_ratio']:.2f}",
                 f"{one['longer_cpu_ratio']:.2f}", f"{one['cpu_ratio_a_step']:.2f}", f"{one['fixed_cpu_seconds_more']:+.2f}",
                 around(ours, bare), str(one["steps"]), apart, f"{ours['memory_mb']:,}", f"{bare['memory_mb']:,}", f"{ours['tokens_per_second']:,}",
                 f"{bare['tokens_per_second']:,}"]  # fmt: skip
        cells += (
            [f"{side['utilisation']:.1%}" if "utilisation" in side else "" for side in (ours, bare)] if wide else []
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
