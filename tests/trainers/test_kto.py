"""Kahneman-Tversky optimisation on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Score, StepFailed, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import kto
from constitutional.builtin.trainers.kto import KtoParams, KtoTrainer
from tests.backends.families import FAMILIES, tokenizer
from tests.trainers.support import QUESTIONS, Inputs, contents, preferences, train


def stage(**params: Any) -> KtoTrainer:
    return KtoTrainer(KtoParams(**{"learning_rate": 3e-3, "batch_size": 8, "epochs": 4, "max_length": 96, **params}))


def scores(good: int = 8, bad: int = 8) -> list[Score]:
    return [
        Score(row_id=f"s{i}", prompt=(user(f"{QUESTIONS[i % 8]} {i}"),), completion="yes indeed" if i < good else "no",
              score=0.9 if i < good else 0.2, label=i < good)
        for i in range(good + bad)
    ]  # fmt: skip


def logp(folder: Path, answer: str) -> float:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from constitutional.builtin.trainers.tokens import encode

    one = encode(DialogueEncoder(AutoTokenizer.from_pretrained(folder)), (user("who are you 2"),), answer)
    ids = torch.tensor([one.prompt + one.completion])
    with torch.no_grad():
        logs = torch.log_softmax(AutoModelForCausalLM.from_pretrained(folder)(ids).logits[0, :-1], -1)
    return float(logs.gather(-1, ids[0, 1:, None])[len(one.prompt) - 1 :].sum())


def test_good_answers_gain_on_bad_ones(model: Path, tmp_path: Path) -> None:
    done = train(stage(), tmp_path, model, scores=scores())
    gained = {answer: logp(done.folder, answer) - logp(model, answer) for answer in ("yes indeed", "no")}
    assert gained["yes indeed"] > gained["no"] + 1
    assert done.fates == {("kept", ""): 16}
    assert (done.figures["desirable"], done.figures["undesirable"]) == (8, 8)


def test_preferences_count_as_a_good_and_a_bad_answer(model: Path, tmp_path: Path) -> None:
    done = train(stage(epochs=1), tmp_path, model, preferences=preferences(8))
    assert (done.figures["desirable"], done.figures["undesirable"]) == (8, 8)
    assert done.fates == {("kept", ""): 8}


def test_the_ledger_is_that_of_the_scores_where_both_flow_in(model: Path, tmp_path: Path) -> None:
    long = preferences(1)[0].derive(
        type(preferences(1)[0]), "test", prompt=(user("x" * 200),), chosen="a", rejected="b", p_chosen=1.0
    )
    done = train(stage(epochs=1), tmp_path, model, scores=scores(), preferences=[*preferences(8), long])
    assert done.fates == {("kept", ""): 16}
    assert done.figures["dropped_preferences"] == {"too-long": 1}
    assert (done.figures["desirable"], done.figures["undesirable"]) == (16, 16)


def rows(given: list[Score], **params: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    encoder = DialogueEncoder(tokenizer(FAMILIES[0]))
    return kto.labelled_rows(Inputs({}, {"scores": given}), encoder, stage(**params).params, 7)[:2]


def test_labels_are_truth_values_and_never_scores() -> None:
    """TRL casts floats to truth values, so that a score of 0.2 would count as good."""
    found, _ = rows(scores())
    assert {type(row["label"]) for row in found} == {bool}
    assert all(row["label"] == (row["completion"][0]["content"] == "yes indeed") for row in found)


def test_a_score_without_a_label_is_dropped_and_counted() -> None:
    unlabelled = Score(row_id="u", prompt=(user("x"),), completion="y", score=0.5)
    found, dropped = rows([*scores(), unlabelled])
    assert (len(found), dropped) == (16, {"no-label": 1})


def test_no_row_is_alone_in_its_batch() -> None:
    found, _ = rows(scores(9, 8))
    assert len(found) % 8 == 2


@pytest.mark.parametrize(("good", "bad"), [(8, 0), (0, 8), (0, 0)])
def test_one_side_alone_is_not_enough(good: int, bad: int) -> None:
    with pytest.raises(StepFailed, match=f"{good} good and {bad} bad"):
        rows(scores(good, bad))


@pytest.mark.parametrize(("good", "bad", "expected"), [(8, 8, (1, 1)), (2, 8, (4, 1)), (8, 2, (1, 4))])
def test_the_rarer_side_weighs_as_much_as_the_other(good: int, bad: int, expected: tuple[float, float]) -> None:
    labels = [True] * good + [False] * bad
    found = kto.weights(labels, KtoParams())
    assert found == expected
    assert found[0] * good == found[1] * bad
    assert kto.weights(labels, KtoParams(desirable_weight=1.0, undesirable_weight=1.33)) == (1.0, 1.33)


def test_two_lora_runs_leave_the_same_bytes_wherever_they_are(model: Path, tmp_path: Path) -> None:
    one, two = (train(stage(epochs=1, lora={"r": 4}), tmp_path / place, model, scores=scores()) for place in "ab")
    assert contents(one.folder) == contents(two.folder)
    assert (one.folder / "adapter_model.safetensors").is_file()


def test_a_reference_of_its_own_is_used(model: Path, other: Path, tmp_path: Path) -> None:
    own = train(stage(epochs=1), tmp_path / "own", model, scores=scores())
    another = train(stage(epochs=1), tmp_path / "another", model, reference=other, scores=scores())
    assert contents(own.folder)["model.safetensors"] != contents(another.folder)["model.safetensors"]


def test_mistakes_are_found_before_anything_runs() -> None:
    assert "together" in next(iter(KtoTrainer.check(KtoParams(desirable_weight=2.0))))
    assert "written `beta` here" in next(iter(KtoTrainer.check(KtoParams(trainer_args={"beta": 0.2}))))
    assert "nothing to learn from" in next(iter(KtoTrainer.wired(KtoParams(), {"model": ()})))
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        KtoParams(batch_size=1)
