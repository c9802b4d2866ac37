"""A watch over one training: measure in time, tell, stop, and keep the best weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from constitutional.builtin.trainers.watch.judge import Alarm, Judge, first_stop
from constitutional.builtin.trainers.watch.kept import Curve, Weights
from constitutional.builtin.trainers.watch.measurement import Measurement
from constitutional.builtin.trainers.watch.params import Watch

#: What displays and the event log are told of each measurement.
SHOWN = ("kl", "proxy", "gold", "length", "repetition", "entropy", "disagreement")


class Eye(Protocol):
    """What measures: the one thing that a watch needs to know of a policy."""

    def measure(self, step: int) -> Measurement: ...


class Watching:
    """One training under watch.

    `learned` is every parameter that is trained, by a name that stays the same: what is kept of the best step.
    """

    def __init__(self, watch: Watch, eye: Eye, learned: Mapping[str, Any], workdir: Path, seed: int) -> None:
        self._watch, self._eye, self._learned, self._seed = watch, eye, learned, seed
        self._curve = Curve(workdir / "watch")
        self._weights = Weights(workdir / "watch")
        self._judge = Judge(watch, seed)
        self._kept: Measurement | None = None
        self.alarms: list[Alarm] = []

    @property
    def stopped(self) -> Alarm | None:
        """What the training is to stop for; None while it may go on."""
        return first_stop(self.alarms)

    def begin(self, step: int) -> dict[str, Any]:
        """Take up the curve where a checkpoint left it, and measure the start if nothing is measured yet."""
        self._curve.restore(step)
        self._judge, self.alarms = Judge(self._watch, self._seed), []
        for found in self._curve.measurements:
            self.alarms += self._judge.read(found)
        self._weights.resumed(None if self._judge.best is None else self._judge.best.step)
        return {} if self._curve.measurements else self.look(step)

    def due(self, step: int, last: int) -> bool:
        """Whether a step is one to measure at: every so many, and the last one."""
        return step % self._watch.every == 0 or step >= last

    def look(self, step: int) -> dict[str, Any]:
        """Measure; what to tell of it: means by name, and `notice` where there is an alarm."""
        found = self._eye.measure(step)
        before = self._judge.best
        self._curve.add(found)
        alarms = self._judge.read(found)
        self.alarms += alarms
        if self._watch.keeps_best and self._judge.best is not before and self._judge.best is not None:
            self._weights.write(step, self._learned)
        said: dict[str, Any] = {f"held_out_{name}": found.mean(name) for name in SHOWN if found.mean(name) is not None}
        if alarms:
            said["notice"] = "; ".join(_sentence(alarm) for alarm in alarms)
        return said

    def checkpointed(self) -> None:
        """A checkpoint was written at the step that was measured last, or after it."""
        if self._watch.keeps_best:
            self._weights.checkpointed()

    def finish(self) -> str | None:
        """Put the best weights back, where those are to be kept; a sentence where nothing was won by the training."""
        start, self._kept = self._curve.measurements[0], self._curve.measurements[-1]
        best = self._judge.best
        if self._watch.keeps_best and best is not None and self._weights.has(best.step):
            self._weights.read(best.step, self._learned)
            self._kept = best
        if self._kept is start and start is not self._curve.measurements[-1]:
            return "the held-out gold reward was never better than at the start: the policy is left as it was"
        return None

    def lines(self, name: str) -> list[dict[str, float]]:
        """The over-optimisation curve as lines of a training log whose steps are called `name`."""
        return [{name: float(one.step), **one.line(self._seed)} for one in self._curve.measurements]

    def figures(self) -> dict[str, Any]:
        """Where it stopped and why, what was kept, and the held-out figures there, at the start and at the end."""
        start, last = self._curve.measurements[0], self._curve.measurements[-1]
        kept, stopped = self._kept or last, self.stopped
        why = "; ".join(alarm.said for alarm in self.alarms if alarm.stops)
        return {
            "kept_step": kept.step, "last_step": last.step, "measured": len(self._curve.measurements),
            "stopped_step": None if stopped is None else stopped.step,
            "stopped_because": why or None,
            "alarms": [_sentence(alarm) for alarm in self.alarms],
            **{name: self._figures(one) for name, one in (("start", start), ("kept", kept), ("last", last))},
        }  # fmt: skip

    def _figures(self, found: Measurement) -> dict[str, Any]:
        return {name: found.figure(name, self._seed) for name in found.columns}


def merged(log: Sequence[dict[str, float]], lines: Sequence[dict[str, float]], name: str) -> list[dict[str, float]]:
    """A training log with a watch's lines in their places: each after what is said of the same step."""
    both = [*((line.get(name, 0.0), 0, line) for line in log), *((line[name], 1, line) for line in lines)]
    return [line for _, _, line in sorted(both, key=lambda one: one[:2])]


def _sentence(alarm: Alarm) -> str:
    return f"step {alarm.step}: {alarm.said}" + ("; stopped" if alarm.stops else "")
