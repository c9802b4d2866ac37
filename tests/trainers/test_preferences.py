"""What every trainer that learns from pairs keeps to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.api import Preference, StepFailed, WholeStage, user
from constitutional.builtin.trainers.dpo import DpoTrainer
from constitutional.builtin.trainers.orpo import OrpoTrainer
from constitutional.builtin.trainers.reward import RewardTrainer
from tests.trainers.support import contents, preferences, train

ALL = pytest.mark.parametrize("trainer", [DpoTrainer, OrpoTrainer, RewardTrainer], ids=lambda trainer: trainer.name)


def stage(trainer: type[WholeStage], **params: Any) -> WholeStage:
    usual = {"learning_rate": 3e-3, "batch_size": 8, "epochs": 1, "max_length": 96}
    return trainer(trainer.Params.model_validate({**usual, **params}))


@ALL
@pytest.mark.parametrize("params", [{}, {"lora": {"r": 4}}], ids=["whole", "lora"])
def test_two_runs_leave_the_same_bytes_wherever_they_are(
    trainer: type[WholeStage], params: dict[str, Any], model: Path, tmp_path: Path
) -> None:
    one = train(stage(trainer, **params), tmp_path / "one", model, preferences=preferences())
    torch.manual_seed(12345)  # heads and adapters begin at the seed of the run
    two = train(stage(trainer, **params), tmp_path / "elsewhere" / "two", model, preferences=preferences())
    assert contents(one.folder) == contents(two.folder)
    assert (one.folder / "adapter_model.safetensors").is_file() is ("lora" in params)


@ALL
def test_soft_labels_change_what_is_learned_and_can_be_turned_off(
    trainer: type[WholeStage], model: Path, tmp_path: Path
) -> None:
    def left(name: str, p: float, **params: Any) -> str:
        done = train(stage(trainer, **params), tmp_path / name, model, preferences=preferences(p=p))
        return contents(done.folder)["model.safetensors"]

    hard = left("hard", 1.0)
    assert left("soft", 0.7) != hard
    assert left("soft-off", 0.7, soft_labels=False) == hard


@ALL
@pytest.mark.parametrize("empty", [("a", " "), ("", "b")], ids=["rejected", "chosen"])
def test_rows_that_cannot_be_used_are_counted_by_reason(
    trainer: type[WholeStage], empty: tuple[str, str], model: Path, tmp_path: Path
) -> None:
    bad = [Preference(row_id="long", prompt=(user("x" * 200),), chosen="a", rejected="b"),
           Preference(row_id="empty", prompt=(user("x"),), chosen=empty[0], rejected=empty[1])]  # fmt: skip
    done = train(stage(trainer), tmp_path, model, preferences=[*preferences(8), *bad])
    assert done.fates == {("kept", ""): 8, ("dropped", "too-long"): 1, ("dropped", "empty"): 1}
    with pytest.raises(StepFailed, match="no preference is left"):
        train(stage(trainer), tmp_path, model, preferences=bad)
