"""Early stopping: what is held out, when training stops, and which weights stay."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Demonstration, StepFailed, StepLabels, user
from constitutional.builtin.trainers import TRAINERS, stopping
from constitutional.builtin.trainers.parameters import EarlyStopping, FitParams
from tests.trainers.support import QUESTIONS, contents, preferences, train

BY_NAME = {trainer.name: trainer.load() for trainer in TRAINERS}


def noise(count: int = 48) -> list[Demonstration]:
    """Answers that follow from nothing: what is learned by heart helps no held-out row."""
    words = ("yes", "no", "maybe so", "later", "who knows", "indeed")
    return [
        Demonstration(row_id=f"n{i}", prompt=(user(f"{QUESTIONS[i % 8]} {i}"),), completion=words[(i * 7 + i // 3) % 6])
        for i in range(count)
    ]


def trained(name: str, folder: Path, model: Path, **more: Any) -> Any:
    params = {"learning_rate": 1e-2, "epochs": 30, "batch_size": 8, "max_length": 96, "scheduler": "constant",
              "early_stopping": {"patience": 2, "share": 0.25, "every": 6}, "trainer_args": {"logging_steps": 2}, **more}  # fmt: skip
    steps = [StepLabels(row_id=f"s{i}", prompt=(user(f"{QUESTIONS[i % 8]} {i}"),), completions=("a", "b"),
                        labels=(True, i % 3 == 0)) for i in range(32)]  # fmt: skip
    ports = {"sft": {"demonstrations": noise()}, "process-reward": {"step_labels": steps}}
    stage = BY_NAME[name](BY_NAME[name].Params.model_validate(params))
    return train(stage, folder, model, **ports.get(name, {"preferences": preferences(48, p=0.7)}))


def test_training_stops_and_the_best_weights_stay(model: Path, tmp_path: Path) -> None:
    done = trained("sft", tmp_path / "stopped", model)
    log = done.log
    measured = {line["step"]: line["eval_loss"] for line in log if "eval_loss" in line}
    said = done.figures["early_stopping"]
    assert said["stopped"]
    assert said["best_step"] == min(measured, key=lambda step: measured[step])
    assert said["loss"] == pytest.approx(min(measured.values()))
    assert said["best_step"] == done.figures["steps"] - 2 * 6
    assert said["n"] + done.figures["rows"] == 48
    shorter = trained("sft", tmp_path / "shorter", model, max_steps=said["best_step"])
    assert contents(shorter.folder)["model.safetensors"] == contents(done.folder)["model.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dpo", "orpo", "reward", "kto", "process-reward"])
def test_every_trainer_on_rows_measures_its_own_loss(name: str, model: Path, tmp_path: Path) -> None:
    done = trained(name, tmp_path, model, epochs=3, learning_rate=1e-3)
    said = done.figures["early_stopping"]
    assert math.isfinite(said["loss"])
    assert said["n"] >= 1
    assert said["best_step"] is not None


def test_a_training_that_is_started_again_where_it_stopped_leaves_the_same_weights(model: Path, tmp_path: Path) -> None:
    first = contents(trained("sft", tmp_path, model).folder)
    again = contents(trained("sft", tmp_path, model).folder)
    assert again["model.safetensors"] == first["model.safetensors"]


@given(st.lists(st.floats(0.01, 10), max_size=30), st.floats(0, 1))
def test_patience_counts_from_the_best(losses: list[float], improvement: float) -> None:
    since = stopping.since_best(losses, improvement)
    assert 0 <= since <= len(losses)
    if improvement == 0 and losses:
        assert since == len(losses) - 1 - losses.index(min(losses))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.floats(0.01, 0.9))
def test_no_prompt_stands_on_both_sides(prompts: list[int], share: float) -> None:
    params = FitParams(early_stopping=EarlyStopping(share=share))
    rows = [{"prompt": prompt, "n": n} for n, prompt in enumerate(prompts)]
    try:
        taught, held_out = stopping.split(rows, params, lambda row: row["prompt"])
    except StepFailed:
        return
    assert held_out
    assert taught
    assert not {row["prompt"] for row in taught} & {row["prompt"] for row in held_out}
    assert sorted(row["n"] for row in [*taught, *held_out]) == list(range(len(rows)))


def test_too_few_prompts_for_both_sides_are_said_to_be() -> None:
    with pytest.raises(StepFailed, match="1 rows are too few to hold some of them out"):
        stopping.split([{"prompt": 1}], FitParams(early_stopping=EarlyStopping()), lambda row: row["prompt"])


def test_measurements_fall_on_lines_of_the_log_and_within_the_training() -> None:
    params = FitParams(batch_size=4, epochs=2, early_stopping=EarlyStopping(every=7))
    assert stopping.arguments(params, rows=100, logged=5)["eval_steps"] == 10
    assert stopping.arguments(params, rows=8, logged=1)["eval_steps"] == 4
    assert stopping.arguments(FitParams(), rows=100, logged=5) == {}
