"""Odds-ratio preference optimisation on a tiny model, and next to TRL's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.builtin.math import losses
from constitutional.builtin.trainers.orpo import OrpoParams, OrpoTrainer
from tests.trainers.support import contents, preferences, train


def stage(**params: Any) -> OrpoTrainer:
    return OrpoTrainer(
        OrpoParams(**{"learning_rate": 3e-3, "batch_size": 8, "epochs": 4, "max_length": 96, "weight": 1.0, **params})
    )


def odds(done: Any) -> list[float]:
    lines = done.log
    return [line["log_odds_ratio"] for line in lines if "log_odds_ratio" in line]


def test_it_learns_the_chosen_answers_and_to_prefer_them(model: Path, tmp_path: Path) -> None:
    done = train(stage(), tmp_path, model, preferences=preferences())
    assert done.figures["last_loss"] < 0.7 * done.figures["first_loss"]
    assert odds(done)[-1] > odds(done)[0] + 0.5
    assert done.fates == {("kept", ""): 16}


def test_a_coin_toss_teaches_less_preference(model: Path, tmp_path: Path) -> None:
    sure, unsure = (
        train(stage(weight=5.0), tmp_path / f"{p}", model, preferences=preferences(p=p)) for p in (1.0, 0.5)
    )
    assert odds(unsure)[-1] < odds(sure)[-1]
    hard = train(stage(weight=5.0, soft_labels=False), tmp_path / "hard", model, preferences=preferences(p=0.5))
    assert contents(hard.folder)["model.safetensors"] == contents(sure.folder)["model.safetensors"]


def test_mistakes_are_found_before_anything_runs() -> None:
    assert "is not known to orpo" in next(iter(OrpoTrainer.check(OrpoParams(trainer_args={"beta": 0.1}))))


def test_the_odds_ratio_is_the_one_of_trl() -> None:
    """TRL's experimental trainer gives the weighted log-sigmoid of the log odds ratio; its loss takes that off."""
    from types import SimpleNamespace

    theirs = pytest.importorskip("trl.experimental.orpo").ORPOTrainer
    chosen, rejected = torch.tensor([-0.4, -2.0, -0.01]), torch.tensor([-1.3, -0.7, -3.0])
    self = SimpleNamespace(beta=0.3, accelerator=SimpleNamespace(device="cpu"))
    expected = -chosen.mean() - theirs.odds_ratio_loss(self, chosen, rejected)[0].mean()
    assert float(losses.orpo(chosen, rejected, torch.ones(3), weight=0.3)) == pytest.approx(float(expected), rel=1e-5)
