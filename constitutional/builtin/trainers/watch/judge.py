"""What a series of measurements says: the best so far, what is beyond a limit, and when to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from constitutional.builtin.math import figures
from constitutional.builtin.trainers.watch.measurement import LOOKS, Measurement, pairs, rise
from constitutional.builtin.trainers.watch.params import StopWhen, Watch

#: Limits that are told of where the spec sets none, and that stop nothing.
TOLD = StopWhen(length_above=2.0, repetition_above=0.3, format_drifts=0.3)


class Alarm(NamedTuple):
    """What is wrong at a step, in a sentence; `stops` where the training ends for it."""

    step: int
    name: str
    said: str
    stops: bool = False


class Judge:
    """Reads measurements in their order; what it says of them depends on nothing else."""

    def __init__(self, watch: Watch, seed: int) -> None:
        self._watch, self._seed = watch, seed
        self.start: Measurement | None = None
        self.best: Measurement | None = None
        self._streaks: Counter[str] = Counter()

    def read(self, now: Measurement) -> list[Alarm]:
        """What to tell of a measurement: what has gone beyond a limit just now, and what the training stops for."""
        self.start = self.start or now
        beyond = dict(self._stopping(now))
        told = {name: said for name, said in _beyond(TOLD, now, self.start, None) if name not in beyond
                and getattr(self._watch.stop_when, name) is None}  # fmt: skip
        hacked = self._hacked(now)
        if hacked:
            told["over_optimised"] = hacked
        alarms = []
        for name, said in {**beyond, **told}.items():
            self._streaks[name] += 1
            stops = name in beyond and self._streaks[name] >= self._watch.patience
            if stops or self._streaks[name] == 1:
                alarms.append(Alarm(now.step, name, said, stops))
        for name in [name for name in self._streaks if name not in beyond and name not in told]:
            del self._streaks[name]
        if not beyond and self._better(now):
            self.best = now
        return alarms

    def _better(self, now: Measurement) -> bool:
        """Whether this one is the best so far; nothing could be compared with one that has few scores."""
        if self.best is None:
            scores = now.scored("gold")
            return bool(scores) and 2 * len(scores) >= len(now.columns["gold"])
        risen = rise(now, self.best, "gold")
        return risen is not None and risen > 0

    def _stopping(self, now: Measurement) -> Iterator[tuple[str, str]]:
        assert self.start is not None
        yield from _beyond(self._watch.stop_when, now, self.start, self.best)

    def _hacked(self, now: Measurement) -> str | None:
        """Gao et al. 2022: since the gold reward was best, the proxy is surely higher and the gold surely lower."""
        if self.best is None:
            return None
        rng = figures.generator(self._seed, "watch", "over-optimised", str(now.step))
        proxy, gold = (figures.change(*pairs(now, self.best, name), rng) for name in ("proxy", "gold"))
        if not proxy["n"] or not gold["n"] or not float(str(proxy["low"])) > 0 > float(str(gold["high"])):
            return None
        return (f"the reward rose by {proxy['value']:.3g} ({proxy['low']:.3g} to {proxy['high']:.3g}) since step {self.best.step} "
                f"while the held-out gold reward fell by {-float(str(gold['value'])):.3g} "
                f"({-float(str(gold['high'])):.3g} to {-float(str(gold['low'])):.3g}): it is being gamed")  # fmt: skip


def _beyond(
    limits: StopWhen, now: Measurement, start: Measurement, best: Measurement | None
) -> Iterator[tuple[str, str]]:
    """Every limit that a measurement is beyond, by its name and in words."""
    fallen = None if best is None else rise(now, best, "gold")
    if limits.gold_drops is not None and best is not None and fallen is not None and -fallen >= limits.gold_drops:
        yield "gold_drops", (f"the held-out gold reward is {-fallen:.3g} below its best, at step {best.step} "
                             f"(limit {limits.gold_drops:g})")  # fmt: skip
    kl, entropy, apart = now.mean("kl"), now.mean("entropy"), now.mean("disagreement")
    if limits.kl_above is not None and kl is not None and kl > limits.kl_above:
        yield "kl_above", f"the policy is {kl:.3g} nats an answer from its reference (limit {limits.kl_above:g})"
    length, first = now.mean("length"), start.mean("length")
    if limits.length_above is not None and length and first and length > limits.length_above * first:
        yield "length_above", (f"answers are {length / first:.2f} times as long as at the start: {length:.1f} tokens, not {first:.1f} "
                               f"(limit {limits.length_above:g} times)")  # fmt: skip
    repeated = now.mean("repetition")
    if limits.repetition_above is not None and repeated is not None and repeated > limits.repetition_above:
        yield "repetition_above", (f"{repeated:.0%} of the word triples of an answer have come before in it "
                                   f"(limit {limits.repetition_above:.0%})")  # fmt: skip
    if limits.entropy_below is not None and entropy is not None and entropy < limits.entropy_below:
        yield "entropy_below", f"the entropy of a token is {entropy:.3g} nats (limit {limits.entropy_below:g})"
    moved = [(abs((now.mean(name) or 0) - (start.mean(name) or 0)), name) for name in LOOKS]
    if limits.format_drifts is not None and max(moved)[0] > limits.format_drifts:
        name = max(moved)[1]
        yield "format_drifts", (f"the share of answers with {name} went from {start.mean(name):.0%} to {now.mean(name):.0%} "
                                f"(limit {limits.format_drifts:.0%} either way)")  # fmt: skip
    if limits.disagreement_above is not None and apart is not None and apart > limits.disagreement_above:
        yield "disagreement_above", (f"the reward's ensemble disagrees by a deviation of {apart:.3g} "
                                     f"(limit {limits.disagreement_above:g})")  # fmt: skip


def first_stop(alarms: Sequence[Alarm]) -> Alarm | None:
    """What the training stopped for."""
    return next((alarm for alarm in alarms if alarm.stops), None)
