"""GRPO and RLOO on a bandit with a known optimum, and the reward as they call it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Prompt, StepFailed, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Missing, Scored
from constitutional.builtin.trainers.group import GroupTrainer, reward_function
from constitutional.builtin.trainers.grpo import GrpoTrainer
from constitutional.builtin.trainers.rloo import RlooTrainer
from tests.backends.families import FAMILIES, hostile, tokenizer
from tests.trainers import bandit
from tests.trainers.support import contents, train

BOTH = pytest.mark.parametrize("trainer", [GrpoTrainer, RlooTrainer], ids=lambda trainer: trainer.name)


def stage(trainer: type[GroupTrainer], **params: Any) -> GroupTrainer:
    return bandit.group(trainer, **{"updates": 2, **params})


@BOTH
def test_it_finds_the_arm_that_pays(trainer: type[GroupTrainer], arms: Path, tmp_path: Path) -> None:
    done = train(stage(trainer), tmp_path, arms, prompts=bandit.prompts())
    assert bandit.first_words(done.folder)["c"] > 0.9
    assert done.figures["score"]["value"] > 0.85 > done.figures["first_score"]
    assert done.figures["score"]["n"] == 64
    assert {"kl", "reward", "entropy", "unscored"} <= done.log[0].keys()


@BOTH
def test_lora_leaves_an_adapter_and_the_next_training_is_held_to_what_it_learned(
    trainer: type[GroupTrainer], arms: Path, tmp_path: Path
) -> None:
    first = train(stage(trainer, lora={"r": 8}, max_steps=8), tmp_path / "one", arms, prompts=bandit.prompts())
    assert (first.folder / "adapter_model.safetensors").is_file()
    second = train(stage(trainer, max_steps=2, updates=1), tmp_path / "two", first.folder, prompts=bandit.prompts())
    assert second.log[0]["kl"] == pytest.approx(0, abs=1e-4)


@BOTH
def test_two_runs_leave_the_same_bytes_wherever_they_are(
    trainer: type[GroupTrainer], arms: Path, tmp_path: Path
) -> None:
    one, two = (train(stage(trainer, max_steps=3), tmp_path / place, arms, prompts=bandit.prompts()) for place in "ab")
    assert contents(one.folder) == contents(two.folder)


# -- the reward as TRL calls it --------------------------------------------------------------------------------------------


class Fixed:
    """Scores by position."""

    def __init__(self, *values: float | None) -> None:
        self.values, self.seen, self.metas = values, [], None

    def score(self, dialogues: Any, metas: Any = None) -> list[Scored]:
        self.seen += dialogues
        self.metas = metas
        return [Scored(value, "" if value is not None else "late") for value in self.values]


def call(scorer: Any, most: float, count: int) -> list[float | None]:
    tok = tokenizer(FAMILIES[0])
    told: dict[str, float] = {}
    reward = reward_function(scorer, DialogueEncoder(tok), Missing(most))
    found = reward(prompts=[[{"role": "user", "content": "hi"}]] * count, completion_ids=[tok("ok")["input_ids"]] * count,
                   completions=[], log_metric=told.__setitem__, trainer_state=None)  # fmt: skip
    assert told["unscored"] == sum(value is None for value in found) / count
    return found


def test_a_missing_score_stays_missing() -> None:
    assert call(Fixed(1.0, None, 0.5, 2.0), 0.25, 4) == [1.0, None, 0.5, 2.0]


def test_too_many_missing_scores_stop_the_run() -> None:
    with pytest.raises(StepFailed, match=r"2 of 4 completions have no score \(late: 2\)"):
        call(Fixed(1.0, None, None, 2.0), 0.25, 4)
    with pytest.raises(StepFailed, match="1 of 1"):
        call(Fixed(None), 1.0, 1)


def test_the_reward_sees_dialogues_and_not_templates() -> None:
    scorer = Fixed(1.0)
    call(scorer, 0, 1)
    assert [(turn.role, turn.content) for turn in scorer.seen[0]] == [("user", "hi"), ("assistant", "ok")]


def test_the_columns_of_the_prompts_reach_the_reward(arms: Path, tmp_path: Path) -> None:
    """A share of 1 for `helpful` where the prompt's `wants` is `c`, else for the other rule."""
    reward = {
        "hybrid": {
            "helpful": bandit.WANTS_C,
            "harmless": {"rules": {"lacks": ["c"]}},
            "column": "wants",
            "alphas": {"c": 1.0},
        }
    }
    rows = [replace(row, meta={"wants": "c"}) for row in bandit.prompts()]
    done = train(stage(RlooTrainer, reward=reward, max_steps=8), tmp_path / "all", arms, prompts=rows)
    assert done.figures["score"]["value"] > done.figures["first_score"]
    with pytest.raises(StepFailed, match="no alpha for its `wants`: 64"):
        train(stage(RlooTrainer, reward=reward), tmp_path / "none", arms, prompts=bandit.prompts())


@BOTH
def test_a_training_without_scores_fails_in_words(trainer: type[GroupTrainer], arms: Path, tmp_path: Path) -> None:
    from constitutional.builtin.trainers import rl

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rl, "scorer_of", lambda *_: Fixed(*[None] * 64))
        with pytest.raises(StepFailed, match="64 of 64 completions have no score"):
            train(stage(trainer), tmp_path, arms, prompts=bandit.prompts())


@BOTH
def test_some_missing_scores_are_left_out(trainer: type[GroupTrainer], arms: Path, tmp_path: Path) -> None:
    from constitutional.builtin.trainers import rl

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rl, "scorer_of", lambda *_: Fixed(*([None] + [1.0] * 7) * 8))
        done = train(stage(trainer, max_missing=0.2, max_steps=2, updates=1), tmp_path, arms, prompts=bandit.prompts())
    assert done.log[0]["unscored"] == 0.125
    assert done.log[0]["reward"] == pytest.approx(1.0, abs=0.02)
    assert done.figures["score"]["n"] == 56


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_hostile_prompts_forge_no_control_token(family: Any) -> None:
    from constitutional.builtin.trainers import tokens

    tok = tokenizer(family)
    guarded, marks = tokens.guarded(DialogueEncoder(tok)), set(tok.convert_tokens_to_ids(list(family.all)))

    def controls(text: str) -> list[int]:
        said = guarded.apply_chat_template(
            conversation=[[{"role": "user", "content": text}]],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
        )
        return [token for token in said["input_ids"][0] if token in marks]

    assert all(controls(text) == controls("hello") for text in hostile(family, 60) if text.strip())


# -- before anything runs --------------------------------------------------------------------------------------------------


@BOTH
def test_mistakes_are_found_before_anything_runs(trainer: type[GroupTrainer]) -> None:
    def said(**params: Any) -> str:
        return " ".join(trainer.check(stage(trainer, **params).params))

    assert said() == ""
    assert "no multiple of `group_size`" in said(group_size=7)
    assert "written `group_size` here" in said(trainer_args={"num_generations": 4})
    assert "did you mean `top_k`" in said(trainer_args={"topk": 4})
    assert "set by the run itself" in said(trainer_args={"trust_remote_code": True})
    assert "is not known" in said(trainer_args={"max_prompt_length": 4})


@BOTH
def test_prompts_that_leave_no_room_are_counted(trainer: type[GroupTrainer], arms: Path, tmp_path: Path) -> None:
    long = Prompt(row_id="long", prompt=(user(" ".join("a" * 40)),))
    done = train(stage(trainer, max_steps=1, updates=1), tmp_path, arms, prompts=[*bandit.prompts(8), long])
    assert done.fates == {("kept", ""): 8, ("dropped", "too-long"): 1}
