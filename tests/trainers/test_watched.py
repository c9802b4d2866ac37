"""Trainers under a watch: alarms, stops, and the weights that are kept."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Preference, StepFailed, user
from constitutional.builtin.trainers.group import GroupTrainer
from constitutional.builtin.trainers.grpo import GrpoTrainer
from constitutional.builtin.trainers.online_dpo import OnlineDpoTrainer
from constitutional.builtin.trainers.ppo import PpoTrainer
from constitutional.builtin.trainers.rloo import RlooTrainer
from tests.trainers import bandit
from tests.trainers.support import contents, train


def ppo(watch: dict[str, Any] | None, **params: Any) -> PpoTrainer:
    return bandit.ppo(watch=watch, **params)


def online(watch: dict[str, Any] | None, **params: Any) -> OnlineDpoTrainer:
    return bandit.online_dpo(watch=watch, **{"batch_size": 16, "rollout_batch": 16, "iterations": 9, **params})


def group(trainer: type[GroupTrainer], watch: dict[str, Any] | None, **params: Any) -> GroupTrainer:
    return bandit.group(trainer, watch=watch, **{"max_steps": 9, **params})


def weights(done: Any) -> str:
    return next(digest for name, digest in contents(done.folder).items() if name.endswith(".safetensors"))


def test_ppo_stops_at_a_limit_says_so_and_keeps_the_best(arms: Path, tmp_path: Path) -> None:
    watch = {"gold": bandit.GOLD, "every": 2, "stop_when": {"gold_drops": 0.4}}
    done = train(ppo(watch), tmp_path / "watched", arms, prompts=bandit.prompts(), held_out=bandit.held_out())
    figures = done.figures["watch"]
    assert figures["stopped_step"] == figures["last_step"] < 12
    assert "below its best" in figures["stopped_because"]
    assert done.figures["iterations"] == figures["last_step"]
    assert figures["last"]["proxy"]["value"] > figures["start"]["proxy"]["value"]
    assert figures["kept"]["gold"]["value"] - figures["last"]["gold"]["value"] >= 0.4
    assert any("stopped" in told.get("notice", "") for _, _, told in done.context.told)
    curve = [line for line in done.log if "held_out_gold" in line]
    assert [line["iteration"] for line in curve] == list(range(0, figures["last_step"] + 1, 2))
    assert curve[0]["held_out_kl"] == pytest.approx(0, abs=1e-6)
    kept = figures["kept_step"]
    assert kept < figures["last_step"]
    if kept:
        same = train(ppo(None, iterations=kept), tmp_path / "plain", arms, prompts=bandit.prompts())
        assert weights(done) == weights(same)


@pytest.mark.parametrize("trainer", ["ppo", "online-dpo", "grpo", "rloo"])
def test_a_watch_changes_nothing_that_is_learned(trainer: str, arms: Path, tmp_path: Path) -> None:
    def stage(watch: dict[str, Any] | None) -> Any:
        if trainer == "ppo":
            return ppo(watch, iterations=3)
        if trainer == "online-dpo":
            return online(watch, iterations=3)
        return group({"grpo": GrpoTrainer, "rloo": RlooTrainer}[trainer], watch, max_steps=3)

    plain = train(stage(None), tmp_path / "plain", arms, prompts=bandit.prompts())
    watch = {"gold": bandit.GOLD, "every": 1, "keep": "last"}
    watched = train(stage(watch), tmp_path / "watched", arms, prompts=bandit.prompts(), held_out=bandit.held_out())
    assert weights(plain) == weights(watched)
    assert watched.figures["watch"]["measured"] == 4
    assert [line for line in watched.log if "held_out_kl" not in line] == plain.log


@pytest.mark.parametrize(
    "params", [{}, {"lora": {"r": 4}}, {"kl_coefficient": 0.0}], ids=["whole", "lora", "no reference"]
)
def test_a_group_trainer_stops_and_keeps_the_best(params: dict[str, Any], arms: Path, tmp_path: Path) -> None:
    watch = {"gold": bandit.GOLD, "every": 1, "stop_when": {"kl_above": 0.05}}
    done = train(
        group(RlooTrainer, watch, **params),
        tmp_path / "run",
        arms,
        prompts=bandit.prompts(),
        held_out=bandit.held_out(),
    )
    figures = done.figures["watch"]
    assert figures["stopped_step"] is not None
    assert done.figures["steps"] == figures["stopped_step"] < 9
    assert figures["start"]["kl"]["value"] == pytest.approx(0, abs=1e-5)
    assert figures["last"]["kl"]["value"] > 0.05 >= figures["kept"]["kl"]["value"]


@pytest.mark.parametrize("trainer", ["ppo", "online-dpo", "rloo"])
def test_a_training_that_is_killed_after_it_stopped_stops_there_again(trainer: str, arms: Path, tmp_path: Path) -> None:
    watch = {"gold": bandit.GOLD, "every": 1, "stop_when": {"kl_above": 0.05}, "keep": "last"}
    make = {"ppo": ppo, "online-dpo": online, "rloo": lambda watch, **more: group(RlooTrainer, watch, **more)}[trainer]
    stage = make(watch, checkpoint_every=1)
    first = train(stage, tmp_path / "run", arms, prompts=bandit.prompts(), held_out=bandit.held_out())
    expected = contents(first.folder)
    shutil.rmtree(first.folder)
    again = train(stage, tmp_path / "run", arms, prompts=bandit.prompts(), held_out=bandit.held_out())
    assert again.figures["watch"]["stopped_step"] == first.figures["watch"]["stopped_step"]
    assert contents(again.folder) == expected


def test_prompts_that_are_learned_from_are_not_held_out(arms: Path, tmp_path: Path) -> None:
    done = train(ppo({"every": 9}, iterations=1), tmp_path / "a", arms, prompts=bandit.prompts(),
                 held_out=[*bandit.prompts(), *bandit.held_out(3)])  # fmt: skip
    assert done.figures["watch"]["start"]["kl"]["n"] == 3
    with pytest.raises(StepFailed, match="learned from"):
        train(ppo({}), tmp_path / "b", arms, prompts=bandit.prompts(), held_out=bandit.prompts())


@pytest.mark.parametrize(
    ("params", "ports", "said"),
    [
        ({"watch": {}}, {}, "connect `held_out: NAME`"),
        ({"watch": {"stop_when": {"gold_drops": 0.1}}}, {"held_out": ()}, "needs `watch.gold`"),
        ({"watch": {"keep": "best"}}, {"held_out": ()}, "`watch.keep: best` needs `watch.gold`"),
        ({"watch": {"gold": {"rules": {"starts_with": ["c"]}}}}, {"held_out": ()}, "is the reward that is learned from"),
        ({"watch": {"gold": "judge"}}, {"held_out": ()}, "`watch.gold` names `judge`, which is not connected"),
        ({"watch": {"stop_when": {"disagreement_above": 1}}}, {"held_out": ()}, "needs an `ensemble`"),
        ({"watch": {"gold": bandit.GOLD}}, {"held_out": (), "rewards": ("a",)}, "`a` is connected but the reward does not use it"),
    ],
)  # fmt: skip
def test_mistakes_are_found_before_anything_runs(params: dict[str, Any], ports: dict[str, Any], said: str) -> None:
    stage = ppo(params["watch"])
    assert any(said in one for one in PpoTrainer.wired(stage.params, ports)), list(
        PpoTrainer.wired(stage.params, ports)
    )


def test_models_that_only_the_gold_reward_names_are_not_learned_from() -> None:
    from constitutional.builtin.rewards.wiring import meant

    params = ppo({"gold": "judge"}, reward=None).params
    assert meant(params, ["helpful", "judge"], params.watch.gold) == "helpful"
    assert list(PpoTrainer.wired(params, {"held_out": (), "rewards": ("helpful", "judge")})) == []


@pytest.fixture(scope="module")
def judges(arms: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two reward models, trained by the trainer: `proxy` likes answers that say `c`, `gold` those that do not."""
    from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer

    def pair(index: int, likes: bool) -> Preference:
        other = bandit.WORDS[index % 8] if index % 8 != 2 else "d"
        chosen, rejected = ("c", other) if likes else (other, "c")
        prompt = (user(f"{bandit.WORDS[index % 8]} {bandit.WORDS[index // 8 % 8]}"),)
        return Preference(row_id=f"{likes}{index}", prompt=prompt, chosen=chosen, rejected=rejected, p_chosen=1.0)

    made = {}
    for name, likes in (("proxy", True), ("gold", False)):
        stage = RewardTrainer(RewardParams(learning_rate=2e-2, batch_size=16, epochs=8, max_length=32))
        pairs = [pair(index, likes) for index in range(64)]
        made[name] = train(stage, tmp_path_factory.mktemp(name), arms, preferences=pairs).folder
    return made


def test_a_trained_reward_model_is_a_gold_that_stops_and_keeps_and_goes_on_after_a_kill(
    arms: Path, judges: dict[str, Path], tmp_path: Path
) -> None:
    watch = {"gold": "gold", "every": 1, "stop_when": {"gold_drops": 1.0}}
    stage = ppo(watch, reward="proxy", checkpoint_every=1, max_missing=0.9)  # at random, it often says nothing
    given: dict[str, Any] = {"prompts": bandit.prompts(), "held_out": bandit.held_out(), "rewards": judges}
    done = train(stage, tmp_path / "watched", arms, **given)
    figures = done.figures["watch"]
    assert figures["stopped_step"] is not None
    assert figures["last"]["proxy"]["value"] > figures["start"]["proxy"]["value"]
    assert figures["last"]["gold"]["value"] < figures["kept"]["gold"]["value"]
    assert "below its best" in figures["stopped_because"]
    # with as few scores as at the start nothing could be compared, so it is not the best
    assert figures["start"]["gold"]["n"] < 4 <= figures["kept"]["gold"]["n"]
    expected = contents(done.folder)
    shutil.rmtree(done.folder)
    last = max((tmp_path / "watched" / "checkpoints").iterdir())
    shutil.rmtree(last)
    assert contents(train(stage, tmp_path / "watched", arms, **given).folder) == expected
