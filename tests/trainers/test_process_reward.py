"""Process reward models on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constitutional.api import StepFailed, StepLabels, assistant, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.build import build
from constitutional.builtin.rewards.expression import Expression
from constitutional.builtin.trainers import process_reward
from constitutional.builtin.trainers.process_reward import ProcessRewardParams, ProcessRewardTrainer
from tests.backends.families import FAMILIES, tokenizer
from tests.trainers.support import QUESTIONS, Inputs, contents, train, without_dropout


def stage(**params: Any) -> ProcessRewardTrainer:
    usual = {"learning_rate": 1e-2, "batch_size": 8, "epochs": 12, "max_length": 96, "eval_fraction": 0.2}
    return ProcessRewardTrainer(ProcessRewardParams(**{**usual, **params}))


def solutions(count: int = 32, **values: Any) -> list[StepLabels]:
    """A step is right where it says yes."""
    found = []
    for i in range(count):
        steps = tuple("yes" if (i >> bit) & 1 else "no" for bit in range(3))
        found.append(StepLabels(**{"row_id": f"s{i}", "prompt": (user(QUESTIONS[i % 8]),), "completions": steps,
                                   "labels": tuple(step == "yes" for step in steps), **values}))  # fmt: skip
    return found


@pytest.fixture(scope="module")
def trained(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return train(stage(first_wrong=False), tmp_path_factory.mktemp("prm"), model, step_labels=solutions())


def score(folder: Path, text: str, combine: str = "min") -> float:
    scorer = build(Expression.model_validate({"process": {"of": "prm", "combine": combine}}), {"prm": folder})
    value = scorer.score([(user("who are you"), assistant(text))])[0].value
    assert value is not None
    return value


def test_held_out_steps_are_judged_rightly(trained: Any) -> None:
    assert trained.figures["last_loss"] < 0.2
    assert trained.figures["held_out_agreement"]["value"] > 0.9
    assert trained.figures["held_out_agreement"]["n"] > 0


def test_a_solution_is_as_good_as_its_worst_step_or_the_product(trained: Any) -> None:
    assert score(trained.folder, "yes\nyes\nyes") > 0.7
    assert score(trained.folder, "yes\nno\nyes") < 0.3
    assert score(trained.folder, "yes\nyes", "product") < score(trained.folder, "yes\nyes", "min")


def test_blank_steps_are_none_and_an_empty_answer_has_no_score(trained: Any) -> None:
    assert score(trained.folder, "yes\n\n \nyes\n") == pytest.approx(score(trained.folder, "yes\nyes"), abs=1e-6)
    assert build("prm", {"prm": trained.folder}).score([(user("x"), assistant(" \n"))])[0] == (None, "empty")


@pytest.mark.parametrize("lora", [{"r": 8}, {"r": 8, "merge": True}], ids=["adapter", "merged"])
def test_lora_keeps_its_head_and_its_separator(model: Path, tmp_path: Path, lora: dict[str, Any]) -> None:
    done = train(
        stage(lora=lora, first_wrong=False, learning_rate=2e-2, separator=" ; "),
        tmp_path,
        model,
        step_labels=solutions(),
    )
    assert score(done.folder, "yes ; yes") > 0.6 > 0.4 > score(done.folder, "yes ; no")


def test_two_runs_leave_the_same_bytes_wherever_they_are(model: Path, tmp_path: Path) -> None:
    one, two = (train(stage(epochs=1), tmp_path / place, model, step_labels=solutions()) for place in "ab")
    assert contents(one.folder) == contents(two.folder)


@pytest.mark.parametrize("share", [0.0, 0.2], ids=["all", "stopped-early"])
def test_every_step_weighs_the_same_however_the_batches_are_cut(model: Path, tmp_path: Path, share: float) -> None:
    """Solutions have one to three steps here: the mean of the means of two batches would be another loss."""
    import torch
    from safetensors.torch import load_file

    more: dict[str, Any] = {"epochs": 1, "eval_fraction": 0.0, "learning_rate": 1e-3}
    if share:
        more["early_stopping"] = {"share": share, "every": 2}
    model = without_dropout(model, tmp_path / "model")
    whole, cut = (
        train(stage(batch_size=size, gradient_accumulation=8 // size, **more), tmp_path / str(size), model,
              step_labels=solutions())
        for size in (8, 2)
    )  # fmt: skip
    assert cut.figures["last_loss"] == pytest.approx(whole.figures["last_loss"], rel=1e-3)
    found = load_file(cut.folder / "model.safetensors")
    for name, weight in load_file(whole.folder / "model.safetensors").items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-4)


# -- rows ------------------------------------------------------------------------------------------------------------------


def rows(given: list[StepLabels], **params: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    encoder = DialogueEncoder(tokenizer(FAMILIES[0]))
    return process_reward.step_rows(Inputs({}, {"step_labels": given}), encoder, stage(**params).params)


def test_steps_after_the_first_wrong_one_are_left_out() -> None:
    (one,) = solutions(1, completions=("a", "b", "c"), labels=(True, False, True))
    assert rows([one])[0][0]["right"] == [1.0, 0.0]
    assert rows([one], first_wrong=False)[0][0]["right"] == [1.0, 0.0, 1.0]


def test_probabilities_are_learned_where_they_are_given() -> None:
    (one,) = solutions(1, completions=("a", "b"), labels=(True, True), scores=(0.9, 0.6))
    assert rows([one])[0][0]["right"] == [0.9, 0.6]
    assert rows([one], soft_labels=False)[0][0]["right"] == [1.0, 1.0]


def test_each_verdict_is_read_at_the_separator_after_its_step() -> None:
    tok = tokenizer(FAMILIES[0])
    (one,) = solutions(1, completions=("ab", "c"), labels=(True, True))
    row = rows([one])[0][0]
    newline = tok("\n")["input_ids"][-1]
    assert [row["input_ids"][place] for place in row["places"]] == [newline, newline]
    assert tok.decode(row["input_ids"][: row["places"][0]]).endswith("assistant\nab")


def test_rows_that_cannot_be_used_are_counted_by_reason() -> None:
    bad = [
        *solutions(1, completions=(), labels=()), *solutions(1, completions=("a", " "), labels=(True, True)),
        *solutions(1, completions=("a",), labels=(True, False)), *solutions(1, completions=("x" * 200,), labels=(True,)),
    ]  # fmt: skip
    assert rows([*solutions(4), *bad])[1] == {"empty": 2, "labels": 1, "too-long": 1}
    with pytest.raises(StepFailed, match="no solution is left"):
        rows(bad)
    inside = solutions(1, completions=("a ;; b",), labels=(True,))
    assert rows([*solutions(4), *inside], separator=";;")[1] == {"separator": 1}
