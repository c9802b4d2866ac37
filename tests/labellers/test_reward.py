"""Rewards offline: the same numbers as in a training, and votes by their difference."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import MAIN, Pair, StepFailed, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.labellers import Reward, RewardVotes
from constitutional.builtin.rewards.build import build
from constitutional.builtin.rewards.contract import Missing
from constitutional.builtin.trainers.group import reward_function
from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer
from tests.backends import tiny
from tests.backends.families import FAMILIES, tokenizer
from tests.stages_support import response
from tests.trainers.support import Context, Inputs, preferences, train

ANSWERS = ("yes indeed", "no", "yes, but it is late", "who knows")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    policy = tiny.save(tmp_path_factory.mktemp("models") / "policy", spread=0.1)
    params = RewardParams(learning_rate=1e-2, batch_size=8, epochs=2, max_length=96)
    done: Path = train(
        RewardTrainer(params), tmp_path_factory.mktemp("reward"), policy, preferences=preferences(16)
    ).folder
    return done


def run(stage: Any, folder: Path, rewards: dict[str, Path], **ports: Any) -> Any:
    return stage.run(Inputs({}, ports, {"rewards": rewards}), Context(folder))


def test_the_offline_score_is_the_score_in_the_loop(trained: Path, tmp_path: Path) -> None:
    """A share by category, over a reward model and a rule: from rows offline, from token ids in a training."""
    rows = [response(text, f"question {i}", meta={"category": "ab"[i % 2]}) for i, text in enumerate(ANSWERS)]
    written = {
        "hybrid": {
            "helpful": {"normalise": {"of": "r"}},
            "harmless": {"rules": {"max_words": 2}},
            "alphas": {"a": 0.9, "b": 0.3},
        }
    }
    params = Reward.Params.model_validate({"reward": written})
    outputs = run(Reward(params), tmp_path, {"r": trained}, responses=rows)
    offline = [score.score for score in outputs.rows[MAIN]]
    tok = tokenizer(FAMILIES[0])
    in_loop = reward_function(build(params.reward, {"r": trained}), DialogueEncoder(tok), Missing(0.0))(
        prompts=[[turn.to_json() for turn in row.prompt] for row in rows], log_metric=lambda *_: None,
        completion_ids=[tok(row.completion, add_special_tokens=False)["input_ids"] for row in rows],
        meta=[row.to_row()["meta"] for row in rows],
    )  # fmt: skip
    assert offline == pytest.approx(in_loop, abs=1e-6)
    assert len({round(score, 4) for score in offline}) == 4
    assert outputs.figures["score"]["n"] == 4


def test_a_squashed_reward_is_a_probability(trained: Path, tmp_path: Path) -> None:
    rows = [response(text) for text in ANSWERS]
    plain, squashed = (
        [
            row.score
            for row in run(Reward(Reward.Params(squash=how)), tmp_path, {"r": trained}, responses=rows).rows[MAIN]
        ]
        for how in (False, True)
    )
    assert squashed == pytest.approx([1 / (1 + math.exp(-value)) for value in plain])


def test_an_answer_without_a_score_is_unscored(trained: Path, tmp_path: Path) -> None:
    rows = [response(text) for text in (*ANSWERS, " ")]
    outputs = run(Reward(Reward.Params(max_missing=0.5)), tmp_path, {"r": trained}, responses=rows)
    assert outputs.fates == {("kept", ""): 4, ("unscored", "empty"): 1}
    with pytest.raises(StepFailed, match=r"empty: 1"):
        run(Reward(Reward.Params()), tmp_path, {"r": trained}, responses=rows)


def test_votes_are_the_difference_of_rewards_in_both_orders(trained: Path, tmp_path: Path) -> None:
    pairs = [Pair(row_id=f"p{i}", prompt=(user("hi"),), first=ANSWERS[i], second=ANSWERS[i - 1]) for i in range(3)]
    pairs.append(Pair(row_id="empty", prompt=(user("hi"),), first=" ", second="no"))
    outputs = run(
        RewardVotes(RewardVotes.Params(temperature=2.0, max_missing=0.5)), tmp_path, {"r": trained}, pairs=pairs
    )
    votes = outputs.rows[MAIN]
    scores = [row.score for row in run(Reward(Reward.Params()), tmp_path, {"r": trained},
                                       responses=[response(text, "hi") for text in ANSWERS]).rows[MAIN]]  # fmt: skip
    for i in range(3):
        ab, ba = votes[2 * i : 2 * i + 2]
        assert (ab.order, ba.order, ab.p_first + ba.p_first) == ("ab", "ba", pytest.approx(1))
        assert ab.p_first == pytest.approx(1 / (1 + math.exp((scores[i - 1] - scores[i]) / 2)), abs=1e-5)
    assert [(vote.p_first, vote.abstained) for vote in votes[6:]] == [(None, "empty")] * 2
    assert outputs.fates == {("kept", ""): 3, ("abstained", "empty"): 1}
    assert len({vote.row_id for vote in votes}) == 8
