"""What every trainer that goes in rounds keeps to, on a bandit with a known optimum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import UserError
from constitutional.builtin.trainers.rounds import RoundTrainer
from tests.trainers import bandit
from tests.trainers.support import Broken, contents, train

Maker = Callable[..., RoundTrainer]
BOTH = pytest.mark.parametrize("stage", [bandit.ppo, bandit.online_dpo], ids=["ppo", "online-dpo"])


@pytest.mark.parametrize(
    ("stage", "iterations"), [(bandit.ppo, 20), (bandit.online_dpo, 15)], ids=["ppo", "online-dpo"]
)
def test_a_penalty_for_answers_without_an_end_teaches_to_end(
    stage: Maker, iterations: int, arms: Path, tmp_path: Path
) -> None:
    lenient = {"reward": {"rules": {"lacks": ["<none>"]}}, "max_new_tokens": 4, "iterations": iterations}
    done = train(stage(**lenient, missing_eos_penalty=1.0), tmp_path, arms, prompts=bandit.prompts())
    assert done.log[-1]["ended"] > 0.9 > done.log[0]["ended"]


@BOTH
def test_without_a_reward_it_does_not_begin(stage: Maker, arms: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no reward"):
        train(stage(reward=None), tmp_path, arms, prompts=bandit.prompts())


@pytest.mark.parametrize(
    ("stage", "params"),
    [
        (bandit.ppo, {"normalise_scores": True, "kl_target": 0.05}),
        (bandit.online_dpo, {"batch_size": 8, "gradient_accumulation": 2}),
    ],
    ids=["ppo", "online-dpo"],
)
def test_a_training_that_breaks_goes_on_where_it_was(
    stage: Maker, params: dict[str, Any], arms: Path, tmp_path: Path
) -> None:
    params = {"iterations": 6, "checkpoint_every": 2, "max_new_tokens": 3, **params}
    whole = train(stage(**params), tmp_path / "whole", arms, prompts=bandit.prompts())
    with pytest.raises(Broken):
        train(stage(**params), tmp_path / "broken", arms, prompts=bandit.prompts(), breaks_at=5)
    again = train(stage(**params), tmp_path / "broken", arms, prompts=bandit.prompts())
    assert again.context.told[0][0] == 5
    assert contents(again.folder) == contents(whole.folder)
