"""A watch: what a series of measurements says, and the weights that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.builtin.trainers.watch.judge import Judge
from constitutional.builtin.trainers.watch.measurement import LOOKS, Measurement, rise
from constitutional.builtin.trainers.watch.params import StopWhen, Watch
from constitutional.builtin.trainers.watch.watching import Watching, merged
from tests.trainers import bandit

# -- what a series of measurements says ------------------------------------------------------------------------------------


def seen(step: int, *, gold: Sequence[float | None] = (), n: int = 8, **means: float) -> Measurement:
    """A measurement whose prompts are all alike but for the gold reward."""
    usual = {"kl": 0.0, "entropy": 2.0, "length": 10.0, "ended": 1.0, "repetition": 0.0, "proxy": 0.0} | dict.fromkeys(
        LOOKS, 0.0
    )
    columns = {name: (value,) * n for name, value in {**usual, **means}.items()}
    return Measurement(step, {**columns, **({"gold": tuple(gold)} if gold else {})})


LIMITS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"kl_above": 5}, {"kl": 6.0}, "6 nats an answer"),
    ({"length_above": 1.5}, {"length": 16.0}, "1.60 times as long"),
    ({"repetition_above": 0.2}, {"repetition": 0.25}, "25% of the word triples"),
    ({"entropy_below": 0.5}, {"entropy": 0.25}, "0.25 nats"),
    ({"format_drifts": 0.2}, {"bold": 0.5}, "with bold went from 0% to 50%"),
    ({"disagreement_above": 0.5}, {"disagreement": 0.75}, "deviation of 0.75"),
    ({"gold_drops": 0.1}, {"gold": (0.75,) * 8}, "0.15 below its best, at step 0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "then", "said"), LIMITS, ids=lambda value: next(iter(value)) if isinstance(value, dict) else ""
)
def test_each_limit_stops_beyond_it_and_not_at_it(limit: dict[str, Any], then: dict[str, Any], said: str) -> None:
    judge = Judge(Watch(stop_when=StopWhen.model_validate(limit)), 0)
    assert judge.read(seen(0, gold=(0.9,) * 8)) == []
    (alarm,) = [one for one in judge.read(seen(10, **{"gold": (0.9,) * 8, **then})) if one.stops]
    assert alarm.step == 10
    assert alarm.name == next(iter(limit))
    assert said in alarm.said
    name, value = next(iter(then.items()))
    if name not in ("gold", "bold", "length"):
        calm = Judge(Watch(stop_when=StopWhen.model_validate({next(iter(limit)): value})), 0)
        calm.read(seen(0))
        assert not [one for one in calm.read(seen(10, **then)) if one.stops]


def test_patience_counts_measurements_in_a_row() -> None:
    judge = Judge(Watch(stop_when=StopWhen(kl_above=1), patience=2), 0)
    found = [[alarm.stops for alarm in judge.read(seen(step, kl=kl))] for step, kl in enumerate([0, 2, 0, 2, 3])]
    assert found == [[], [False], [], [False], [True]]


def test_the_best_is_the_highest_gold_within_the_limits_and_the_first_of_equals() -> None:
    judge = Judge(Watch(stop_when=StopWhen(kl_above=10), patience=5), 0)
    for step, (gold, kl) in enumerate([(0.5, 0), (0.7, 1), (0.7, 2), (0.9, 11), (0.6, 3)]):
        judge.read(seen(step, gold=(gold,) * 8, kl=float(kl)))
    assert judge.best is not None
    assert judge.best.step == 1


def test_a_change_is_taken_over_prompts_that_are_scored_in_both() -> None:
    one = seen(0, gold=(1.0, None, 0.0, 0.0), n=4)
    assert rise(seen(1, gold=(1.0, 1.0, 0.5, None), n=4), one, "gold") == pytest.approx(0.25)
    assert rise(seen(1, gold=(None, 1.0, None, 1.0), n=4), one, "gold") is None


def test_a_proxy_that_rises_while_gold_falls_is_told_even_without_limits() -> None:
    judge = Judge(Watch(), 0)
    judge.read(seen(0, gold=[0.8, 0.7, 0.9, 0.8] * 2))
    assert judge.read(seen(1, gold=[0.8, 0.7, 0.9, 0.8] * 2, proxy=1.0)) == []
    (alarm,) = judge.read(seen(2, gold=[0.5, 0.4, 0.7, 0.5] * 2, proxy=1.0))
    assert (alarm.name, alarm.stops) == ("over_optimised", False)
    assert "being gamed" in alarm.said
    assert judge.read(seen(3, gold=[0.5, 0.4, 0.7, 0.5] * 2, proxy=1.0)) == []


# -- on disk ---------------------------------------------------------------------------------------------------------------


class Script:
    """Measures what it is told to, and moves the weight to the number of the step."""

    def __init__(self, golds: dict[int, float]) -> None:
        self.golds = golds
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def measure(self, step: int) -> Measurement:
        with torch.no_grad():
            self.weight.fill_(float(step))
        return seen(step, gold=(self.golds[step],) * 8)


GOLDS = {0: 0.1, 2: 0.5, 4: 0.9, 6: 0.95, 8: 0.2}


def watching(script: Script, folder: Path, **watch: Any) -> Watching:
    said = Watch.model_validate({"gold": bandit.GOLD, "every": 2, **watch})
    return Watching(said, script, {"w": script.weight}, folder, 0)


def test_the_best_weights_come_back(tmp_path: Path) -> None:
    script = Script(GOLDS)
    watched = watching(script, tmp_path)
    watched.begin(0)
    for step in range(1, 9):
        if watched.due(step, 8):
            watched.look(step)
    assert watched.finish() is None
    assert script.weight.tolist() == [6.0]
    assert watched.figures()["kept_step"] == 6
    assert watched.figures()["kept"]["gold"]["value"] == 0.95
    assert [line["held_out_gold"] for line in watched.lines("step")] == pytest.approx(list(GOLDS.values()))


def test_a_training_that_won_nothing_says_that_the_policy_is_as_it_was(tmp_path: Path) -> None:
    script = Script({0: 0.9, 2: 0.5})
    watched = watching(script, tmp_path)
    watched.begin(0)
    watched.look(2)
    assert "never better than at the start" in str(watched.finish())
    assert script.weight.tolist() == [0.0]


def test_keep_last_leaves_the_weights_and_writes_none(tmp_path: Path) -> None:
    script = Script(GOLDS)
    watched = watching(script, tmp_path, keep="last")
    watched.begin(0)
    for step in (2, 4, 6, 8):
        watched.look(step)
    watched.finish()
    assert script.weight.tolist() == [8.0]
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_kill_after_the_last_checkpoint_loses_neither_the_curve_nor_the_weights_that_were_best_then(
    tmp_path: Path,
) -> None:
    first = watching(Script(GOLDS), tmp_path)
    first.begin(0)
    first.look(2)
    first.checkpointed()
    first.look(4)
    first.look(6)
    with (tmp_path / "watch" / "curve.jsonl").open("a") as file:
        file.write('{"step": 8, "colu')
    script = Script({**GOLDS, 4: 0.3, 6: 0.3})
    again = watching(script, tmp_path)
    assert again.begin(2) == {}
    assert [line["step"] for line in again.lines("step")] == [0, 2]
    for step in (4, 6, 8):
        again.look(step)
    again.finish()
    assert script.weight.tolist() == [2.0]
    assert again.figures()["kept_step"] == 2


def test_weights_that_nobody_needs_are_cleared(tmp_path: Path) -> None:
    steps = dict.fromkeys(range(0, 40, 2), 0.0) | {step: step / 100 for step in range(0, 40, 2)}
    watched = watching(Script(steps), tmp_path)
    watched.begin(0)
    for step in range(2, 40, 2):
        watched.look(step)
        if step % 4 == 0:
            watched.checkpointed()
    assert len(list((tmp_path / "watch").glob("best-*"))) <= 3


def test_lines_of_a_watch_stand_behind_those_of_the_same_step() -> None:
    both = merged([{"step": 1, "a": 1}, {"step": 2, "a": 2}], [{"step": 0.0}, {"step": 1.0}], "step")
    assert [(line["step"], "a" in line) for line in both] == [(0, False), (1, True), (1, False), (2, True)]
