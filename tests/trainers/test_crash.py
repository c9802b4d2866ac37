"""A trainer that is killed goes on from its last whole checkpoint, and ends where an undisturbed one ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Prompt, StepLabels, user
from constitutional.builtin.trainers import TRAINERS, training
from tests.trainers.support import contents, demonstrations, preferences, train

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tests.trainers.test_crash import run
run(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
"""


def run(name: str, folder: Path, model: Path, *more: str) -> dict[str, str]:
    """Train to the end, and say what is in the folder."""
    stage = {trainer.name: trainer.load() for trainer in TRAINERS}[name]
    lora = {"lora": {"r": 4, "dropout": 0.1}} if "lora" in more else {}
    params: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 2, "epochs": 3, "max_length": 96, "checkpoint_every": 3, "scheduler": "linear",
              "trainer_args": {"logging_steps": 2}, **lora}  # fmt: skip
    if name in ROUNDS:
        params |= {"reward": {"rules": {"max_words": 1}}, "max_new_tokens": 6, "batch_size": 8, **ROUNDS[name]}
    if "all" in more:
        params["trainer_args"]["save_total_limit"] = 99
    if "accumulated" in more:
        params |= {"gradient_accumulation": 2, "updates": 2}
    if name in IN_ROUNDS:
        del params["trainer_args"]
    given = ports(name)
    if "watch" in more:
        params["watch"] = {"gold": {"rules": {"min_words": 2}}, "every": 4, "stop_when": {"gold_drops": 5.0}}
        given["held_out"] = [Prompt(row_id=f"h{i}", prompt=(user(f"well {i}"),)) for i in range(4)]
    return contents(train(stage(stage.Params.model_validate(params)), folder, model, **given).folder)


#: What reinforcement learning needs beside: as many steps as the others have.
ROUNDS: dict[str, dict[str, Any]] = {
    "ppo": {"rollout_batch": 16, "iterations": 20, "ppo_epochs": 1, "kl_target": 0.1, "normalise_scores": True},
    "online-dpo": {"rollout_batch": 16, "iterations": 20, "group_size": 3, "label_temperature": 0.5},
    "grpo": {"group_size": 4, "max_steps": 20, "updates": 2}, "rloo": {"group_size": 4, "max_steps": 20},
}  # fmt: skip
#: Trainers whose loop is our own, with checkpoints of its own.
IN_ROUNDS = ("ppo", "online-dpo")


def ports(name: str) -> Any:
    """What a trainer learns from."""
    if name == "sft":
        return {"demonstrations": demonstrations(16)}
    if name == "process-reward":
        return {"step_labels": [StepLabels(row_id=f"s{i}", prompt=(user(f"hi {i}"),), completions=("a", "b"),
                                           labels=(True, i % 2 == 0)) for i in range(16)]}  # fmt: skip
    if name in ROUNDS:
        return {"prompts": [Prompt(row_id=row.row_id, prompt=row.prompt) for row in preferences(16)]}
    return {"preferences": preferences(16, p=0.8)}


#: Checkpoints of trainers that count otherwise: loops of our own count rounds, KTO has two rows a pair, and GRPO's fall between
#: batches of completions.
KILLS = {"ppo": (6, 12), "online-dpo": (6, 12), "kto": (24, 36), "grpo": (8, 16)}


def start(*arguments: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, arguments)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip


def kill_at(checkpoint: int, *arguments: Any) -> None:
    """Kill the training as soon as the folder of this checkpoint appears, be it whole or not."""
    running = start(*arguments)
    name = f"round-{checkpoint:08}" if arguments[0] in IN_ROUNDS else f"checkpoint-{checkpoint}"
    wanted = arguments[1] / "checkpoints" / name
    while not wanted.exists():
        assert running.poll() is None, running.stderr.read().decode()  # type: ignore[union-attr]
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (arguments[1] / "model").exists()


def undisturbed_equals_killed(
    name: str, tmp_path: Path, model: Path, *more: str, kills: tuple[int, ...] | None = None
) -> None:
    expected = run(name, tmp_path / "undisturbed", model, *more)
    for checkpoint in kills or KILLS.get(name, (8, 16)):
        kill_at(checkpoint, name, tmp_path / "killed", model, *more)
    assert run(name, tmp_path / "killed", model, *more) == expected


def test_sft_that_is_killed_ends_with_the_same_bytes(model: Path, tmp_path: Path) -> None:
    undisturbed_equals_killed("sft", tmp_path, model, kills=(8,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["dpo", "reward", "orpo", "kto", "process-reward", "ppo", "online-dpo", "grpo", "rloo"]
)
def test_other_trainers_that_are_killed_twice_end_with_the_same_bytes(name: str, model: Path, tmp_path: Path) -> None:
    undisturbed_equals_killed(name, tmp_path, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft", "dpo", "reward", "ppo", "online-dpo"])
def test_adapters_whose_training_is_killed_end_with_the_same_bytes(name: str, model: Path, tmp_path: Path) -> None:
    undisturbed_equals_killed(name, tmp_path, model, "lora")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ppo", "online-dpo", "grpo", "rloo"])
def test_a_watched_training_that_is_killed_has_the_same_curve_and_keeps_the_same_weights(
    name: str, model: Path, tmp_path: Path
) -> None:
    undisturbed_equals_killed(name, tmp_path, model, "watch")


def goes_on_from(checkpoints: slice, name: str, tmp_path: Path, model: Path, *more: str) -> None:
    """From copies of the checkpoints that an undisturbed training left, each in a folder of its own."""
    expected = run(name, tmp_path / "undisturbed", model, "all", *more)
    left = (tmp_path / "undisturbed" / "checkpoints").glob("checkpoint-*")
    found = sorted(left, key=lambda path: int(path.name.partition("-")[2]))
    assert len(found) > 3
    for one in found[:-1][checkpoints]:
        shutil.copytree(one, tmp_path / one.name / "checkpoints" / one.name)
        assert run(name, tmp_path / one.name, model, "all", *more) == expected, one.name


def test_rloo_that_goes_on_in_a_later_epoch_ends_with_the_same_bytes(model: Path, tmp_path: Path) -> None:
    goes_on_from(slice(2, 3), "rloo", tmp_path, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft", "dpo", "reward", "orpo", "kto", "process-reward", "grpo", "rloo"])
def test_a_training_goes_on_from_any_of_its_checkpoints(name: str, model: Path, tmp_path: Path) -> None:
    """Within an epoch, between two, and in a later one: the order of rows is part of what is gone on with."""
    goes_on_from(slice(None), name, tmp_path, model)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["grpo", "rloo"])
def test_groups_of_several_updates_and_batches_go_on_from_any_checkpoint(
    name: str, model: Path, tmp_path: Path
) -> None:
    goes_on_from(slice(None), name, tmp_path, model, "accumulated")


# -- which checkpoint ------------------------------------------------------------------------------------------------------


def checkpoint(workdir: Path, step: int) -> Path:
    folder = workdir / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"):
        (folder / name).write_bytes(b"x")
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return folder


def test_the_newest_whole_checkpoint_is_taken(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        checkpoint(tmp_path, step)
    assert Path(str(training.last_checkpoint(tmp_path))).name == "checkpoint-100"


@pytest.mark.parametrize(
    "missing", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors", "trainer_state.json"]
)
def test_a_checkpoint_that_lacks_a_file_is_passed_over(tmp_path: Path, missing: str) -> None:
    checkpoint(tmp_path, 10)
    (checkpoint(tmp_path, 20) / missing).unlink()
    assert Path(str(training.last_checkpoint(tmp_path))).name == "checkpoint-10"


def test_a_checkpoint_whose_state_is_cut_is_passed_over(tmp_path: Path) -> None:
    checkpoint(tmp_path, 10)
    (checkpoint(tmp_path, 20) / "trainer_state.json").write_text('{"global_')
    assert Path(str(training.last_checkpoint(tmp_path))).name == "checkpoint-10"


def test_a_folder_of_another_name_is_no_checkpoint(tmp_path: Path) -> None:
    shutil.move(checkpoint(tmp_path, 10), tmp_path / "checkpoints" / "checkpoint-best")
    assert training.last_checkpoint(tmp_path) is None


def test_without_checkpoints_training_begins_at_the_beginning(tmp_path: Path) -> None:
    assert training.last_checkpoint(tmp_path) is None
