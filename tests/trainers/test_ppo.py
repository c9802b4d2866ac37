"""PPO on a bandit with a known optimum, on tiny models, and through kills."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Prompt, StepFailed, assistant, user
from constitutional.builtin.math.ppo import Moments
from constitutional.builtin.trainers.ppo import PpoTrainer
from constitutional.builtin.trainers.ppo.advantages import shaped
from constitutional.builtin.trainers.ppo.params import PpoParams
from constitutional.builtin.trainers.rounds.rollout import in_turn
from tests.trainers import bandit
from tests.trainers.support import contents, train

stage = bandit.ppo


# -- the bandit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"value": "separate"}], ids=["shared", "separate"])
def test_it_finds_the_arm_that_pays(arms: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    assert bandit.first_words(arms)["c"] < 0.3
    done = train(stage(**params), tmp_path, arms, prompts=bandit.prompts())
    assert bandit.first_words(done.folder)["c"] > 0.9
    assert done.figures["score"]["value"] > 0.85
    assert done.figures["score"]["n"] == 64
    assert done.figures["score"]["low"] <= done.figures["score"]["value"] <= done.figures["score"]["high"]
    assert done.fates == {("kept", ""): 16}


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "adapter"])
def test_an_adapter_finds_it_too(tmp_path: Path, merge: bool) -> None:
    arms = bandit.save(tmp_path / "arms", spread=0.5)
    params = {"lora": {"r": 8, "merge": merge}, "learning_rate": 3e-2, "iterations": 30}
    done = train(stage(**params), tmp_path / "run", arms, prompts=bandit.prompts())
    assert done.figures["score"]["value"] > 0.85
    assert done.log[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert (done.folder / "adapter_model.safetensors").is_file() is not merge
    if merge:
        assert bandit.first_words(done.folder)["c"] > 0.9


def test_credit_reaches_the_word_that_earned_it_in_longer_answers(arms: Path, tmp_path: Path) -> None:
    done = train(stage(max_new_tokens=4, iterations=25, gamma=1.0), tmp_path, arms, prompts=bandit.prompts())
    assert bandit.first_words(done.folder)["c"] > 0.8


def test_a_heavy_penalty_holds_the_policy_at_its_reference(arms: Path, tmp_path: Path) -> None:
    free = train(stage(kl_coefficient=0.0), tmp_path / "free", arms, prompts=bandit.prompts())
    held = train(stage(kl_coefficient=5.0), tmp_path / "held", arms, prompts=bandit.prompts())
    assert held.log[-1]["kl"] < 0.2 < free.log[-1]["kl"]
    assert bandit.first_words(held.folder)["c"] < 0.4


def test_an_adaptive_coefficient_rises_while_the_policy_is_further_than_asked(arms: Path, tmp_path: Path) -> None:
    done = train(stage(kl_target=0.01), tmp_path, arms, prompts=bandit.prompts())
    betas = [line["beta"] for line in done.log]
    assert betas[-1] > betas[0] == 0.01
    assert max(after / before for before, after in pairwise(betas)) <= 1.02 + 1e-9


def test_the_log_says_what_one_watches_for(arms: Path, tmp_path: Path) -> None:
    done = train(stage(iterations=2), tmp_path, arms, prompts=bandit.prompts())
    watched = {"kl", "reward", "score", "entropy", "length", "ended", "clip_fraction", "value_loss", "policy_loss", "beta",
               "unscored", "grad_norm"}  # fmt: skip
    assert watched <= done.log[0].keys()
    assert done.log[0]["kl"] == pytest.approx(0, abs=1e-6)
    assert [told[:2] for told in done.context.told] == [(1, 2), (2, 2)]


# -- what has no score -----------------------------------------------------------------------------------------------------


def test_too_many_missing_scores_stop_the_run(arms: Path, tmp_path: Path) -> None:
    from constitutional.builtin.trainers import rl

    class Mute:
        def score(self, dialogues: Any, metas: Any = None) -> Any:
            from constitutional.builtin.rewards.contract import Scored

            return [Scored(None, "timeout") if i % 4 == 0 else Scored(1.0) for i, _ in enumerate(dialogues)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rl, "scorer_of", lambda *_: Mute())
        with pytest.raises(StepFailed, match=r"16 of 64 completions have no score \(timeout: 16\)"):
            train(stage(), tmp_path / "strict", arms, prompts=bandit.prompts())
        done = train(stage(max_missing=0.3, iterations=1), tmp_path / "lenient", arms, prompts=bandit.prompts())
    assert done.log[0]["unscored"] == 16
    assert done.log[0]["score"] == 1
    assert done.figures["score"]["n"] == 48
    assert done.figures["score"]["unscored"] == 16


def test_a_missing_score_is_never_a_zero() -> None:
    found, moments = shaped([(None, True), (2.0, True)], PpoParams(normalise_scores=False), Moments())
    assert moments.count == 1
    assert found[1] == 2.0


def test_scores_are_standardised_clipped_and_penalised_in_this_order() -> None:
    params = PpoParams(normalise_scores=True, clip_scores=0.5, missing_eos_penalty=1.0)
    found, moments = shaped([(1.0, True), (3.0, False)], params, Moments())
    assert (moments.mean, moments.count) == (2.0, 2)
    assert found == pytest.approx([-0.5, 0.5 - 1.0])


# -- before anything runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"trainer_args": {"adam_beta1": 0.9}}, "`trainer_args.adam_beta1` is not known to ppo"),
        ({"max_steps": 5}, "write `iterations`"),
        ({"value": "separate", "lora": {"r": 4}}, "second whole model"),
        ({"max_new_tokens": 64}, "leaves no room"),
    ],
)
def test_mistakes_are_found_before_anything_runs(params: dict[str, Any], said: str) -> None:
    assert any(said in sentence for sentence in PpoTrainer.check(stage(**params).params))


def test_a_reward_that_names_what_is_not_connected_is_found_before_anything_runs() -> None:
    params = PpoParams.model_validate({"reward": {"weighted": {"helpfull": 1.0, "harmless": 1.0}}})
    said = list(PpoTrainer.wired(params, {"rewards": ("helpful", "harmless"), "prompts": ()}))
    assert said[0] == "the reward names `helpfull`, which is not connected; did you mean `helpful`?"
    assert "`helpful` is connected but the reward does not use it" in said[1]
    assert "there is no reward" in next(iter(PpoTrainer.wired(PpoParams(), {"prompts": ()})))
    assert not list(PpoTrainer.wired(PpoParams(), {"reward": ()}))


def test_prompts_that_leave_no_room_are_counted(arms: Path, tmp_path: Path) -> None:
    long = Prompt(row_id="long", prompt=(user(" ".join("a" * 40)),))
    done = train(stage(iterations=1), tmp_path, arms, prompts=[*bandit.prompts(8), long])
    assert done.fates == {("kept", ""): 8, ("dropped", "too-long"): 1}
    with pytest.raises(StepFailed, match="no prompt is left"):
        train(stage(), tmp_path, arms, prompts=[long])


# -- the same every time ---------------------------------------------------------------------------------------------------


def test_two_runs_leave_the_same_bytes_wherever_they_are(arms: Path, tmp_path: Path) -> None:
    one, two = (
        train(stage(iterations=3), tmp_path / place, arms, prompts=bandit.prompts()) for place in ("one", "two")
    )
    assert contents(one.folder) == contents(two.folder)


def test_every_pass_over_the_prompts_takes_each_once() -> None:
    asked = [(row, [1]) for row in bandit.prompts(8)]
    order = [row.row_id for row, _ in in_turn(asked, 3, "trainer/ppo", 0, 16)]
    assert sorted(order[:8]) == sorted(order[8:]) == sorted(row.row_id for row, _ in asked)
    assert order[:8] != order[8:]
    assert [row.row_id for row, _ in in_turn(asked, 3, "trainer/ppo", 5, 4)] == order[5:9]


def test_it_learns_from_a_reward_model(model: Path, tmp_path: Path) -> None:
    from constitutional.builtin.rewards.build import build
    from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer
    from tests.trainers.support import preferences

    reward = train(
        RewardTrainer(RewardParams(learning_rate=3e-3, batch_size=8, max_length=96)),
        tmp_path / "reward",
        model,
        preferences=preferences(),
    )
    asked = [Prompt(row_id=f"q{i}", prompt=row.prompt) for i, row in enumerate(preferences(8))]
    params = {
        "reward": None,
        "iterations": 2,
        "rollout_batch": 8,
        "batch_size": 4,
        "max_new_tokens": 6,
        "max_length": 96,
    }
    done = train(stage(**params), tmp_path / "policy", model, rewards={"": reward.folder}, prompts=asked)
    assert done.figures["score"]["n"] + done.figures["score"]["unscored"] >= 8
    scored = build(None, {"reward": reward.folder}).score(
        [(user("hi"), assistant("yes indeed")), (user("hi"), assistant(" "))]
    )
    assert scored[0].value is not None
    assert scored[1] == (None, "empty")
