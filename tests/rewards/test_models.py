"""Reward models as rewards: the same offline as in the loop, after saving as before, in any batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.api import Messages, UserError, assistant, user
from constitutional.builtin.backends import loading
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.build import build
from constitutional.builtin.rewards.expression import Expression
from constitutional.builtin.rewards.model import ModelScorer
from constitutional.builtin.trainers import reward
from constitutional.builtin.trainers.group import reward_function
from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer
from tests.backends import tiny
from tests.backends.families import FAMILIES
from tests.trainers.support import preferences, train

ROOT = Path(__file__).parents[2]
torch.set_num_threads(1)

DIALOGUES: list[Messages] = [(user(f"{word} {i}"), assistant(answer)) for i, word in enumerate(("hello there", "why not"))
                             for answer in ("yes indeed", "no", "yes, but it is late and I do not know")]  # fmt: skip


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save(tmp_path_factory.mktemp("models") / "policy", spread=0.1)


@pytest.fixture(scope="module", params=[None, {"r": 8}, {"r": 8, "merge": True}], ids=["whole", "adapter", "merged"])
def trained(request: pytest.FixtureRequest, policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    params = RewardParams(learning_rate=1e-2, batch_size=8, epochs=4, max_length=96, lora=request.param)
    return train(RewardTrainer(params), tmp_path_factory.mktemp("reward"), policy, preferences=preferences(24))


def values(scorer: Any, dialogues: list[Messages]) -> list[float]:
    return [one.value for one in scorer.score(dialogues)]


def test_a_saved_reward_model_scores_the_same_in_a_fresh_process(trained: Any) -> None:
    here = values(ModelScorer(trained.folder), DIALOGUES)
    script = f"""
import json, torch
torch.manual_seed(987654)
from constitutional.api import assistant, user
from constitutional.builtin.rewards.model import ModelScorer
from tests.rewards.test_models import DIALOGUES
print(json.dumps([one.value for one in ModelScorer(__import__('pathlib').Path({str(trained.folder)!r})).score(DIALOGUES)]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert json.loads(done.stdout.splitlines()[-1]) == pytest.approx(here, abs=1e-5)
    assert max(here) - min(here) > 0.5


def test_it_scores_as_its_trainer_did(trained: Any) -> None:
    """The trainer's own scores, computed from token ids, against those of dialogues."""
    scorer = ModelScorer(trained.folder)
    rows = [{"prompt_ids": scorer._encoder.encode(d[:-1]), "chosen_ids": [], "rejected_ids": []} for d in DIALOGUES]
    for row, dialogue in zip(rows, DIALOGUES, strict=True):
        row["chosen_ids"] = row["rejected_ids"] = scorer._encoder.encode(dialogue, reply=False)[
            len(row["prompt_ids"]) :
        ]
    there = reward.scores(scorer._model, [{**row, "p_chosen": 1.0} for row in rows], scorer._pad)
    assert [chosen for chosen, _ in there] == pytest.approx(values(scorer, DIALOGUES), abs=1e-5)


def test_the_score_in_the_loop_is_the_score_offline(trained: Any) -> None:
    """TRL hands over token ids of a policy whose tokenizer is another one; the score is that of the text."""
    from constitutional.builtin.rewards.contract import Missing

    from tests.backends.families import tokenizer  # isort: skip

    scorer = build(None, {"reward": trained.folder})
    theirs = tokenizer(FAMILIES[1])
    in_loop = reward_function(scorer, DialogueEncoder(theirs), Missing(0.0))(
        prompts=[[turn.to_json() for turn in d[:-1]] for d in DIALOGUES], completions=[],
        completion_ids=[theirs(d[-1].content, add_special_tokens=False)["input_ids"] + [theirs.eos_token_id] for d in DIALOGUES],
        log_metric=lambda *_: None,
    )  # fmt: skip
    assert in_loop == pytest.approx(values(scorer, DIALOGUES), abs=1e-6)


def test_the_batch_changes_no_score(trained: Any) -> None:
    one, many = (values(ModelScorer(trained.folder, batch=size), DIALOGUES) for size in (1, 16))
    assert one == pytest.approx(many, abs=1e-5)
    assert values(ModelScorer(trained.folder), DIALOGUES[::-1]) == pytest.approx(many[::-1], abs=1e-5)


def test_reward_models_and_models_load_beside_each_other(trained: Any, policy: Path) -> None:
    """Best-of-n loads its reward while another stage loads a model: transformers' switch is one for the whole process."""
    expected = values(ModelScorer(trained.folder), DIALOGUES)

    def model(_: int) -> None:
        loading.load_model(
            str(policy), device="cpu", dtype=torch.float32, attention="sdpa", revision=None, adapter=None
        )

    with ThreadPoolExecutor(4) as pool:
        models = pool.map(model, range(6))
        scorers = list(pool.map(lambda _: ModelScorer(trained.folder), range(6)))
        list(models)
    assert all(values(scorer, DIALOGUES) == pytest.approx(expected, abs=1e-5) for scorer in scorers)


def test_a_dialogue_that_is_too_long_has_no_score_and_is_not_cut(trained: Any) -> None:
    scorer = ModelScorer(trained.folder, max_length=60)
    long = (user("x" * 100), assistant("yes"))
    found = scorer.score([DIALOGUES[0], long, (user("hi"), assistant(" ")), (user("hi"),)])
    assert [one.reason for one in found] == ["", "too-long", "empty", "empty"]
    assert found[0].value is not None


def test_a_reward_normalises_by_what_its_training_measured(trained: Any) -> None:
    plain = values(build("r", {"r": trained.folder}), DIALOGUES)
    scaled = values(build(Expression.model_validate({"normalise": {"of": "r"}}), {"r": trained.folder}), DIALOGUES)
    centre, deviation = trained.figures["score_mean"], trained.figures["score_std"]
    assert scaled == pytest.approx([(value - centre) / deviation for value in plain], abs=1e-5)


def test_an_ensemble_loads_each_model_once(trained: Any) -> None:
    written = {
        "weighted": [
            {"of": "r", "weight": 0.5},
            {"of": {"normalise": {"of": "r", "mean": 0.0, "std": 1.0}}, "weight": 0.5},
        ]
    }
    made: Any = build(Expression.model_validate(written), {"r": trained.folder})
    assert made._parts["r"] is made._parts["normalise"]._parts["r"]
    assert values(made, DIALOGUES) == pytest.approx(values(build("r", {"r": trained.folder}), DIALOGUES), abs=1e-6)


def test_two_models_whose_folders_end_alike_stay_apart(trained: Any, tmp_path: Path) -> None:
    """TRL names reward models by the last part of their path: `helpful/final` and `harmless/final` collide."""
    folders = {label: tmp_path / label / "final" for label in ("helpful", "harmless")}
    for folder in folders.values():
        folder.parent.mkdir()
        folder.symlink_to(trained.folder)
    made: Any = build(None, folders)
    assert list(made._parts) == ["helpful", "harmless"]


def test_what_is_no_process_reward_model_is_not_taken_for_one(trained: Any) -> None:
    with pytest.raises(UserError, match="no process reward model"):
        build(Expression.model_validate({"process": {"of": "r"}}), {"r": trained.folder})


def test_a_folder_that_asks_for_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "evil.py"}}')
    with pytest.raises(UserError, match="asks for code"):
        ModelScorer(tmp_path)
