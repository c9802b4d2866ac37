"""Supervised fine-tuning on a tiny model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Demonstration, Prompt, StepFailed, assistant, user
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers.sft import SftParams, SftTrainer
from tests.backends.families import FAMILIES, hostile, tokenizer
from tests.trainers.support import Inputs, contents, demonstrations, train


def stage(**params: Any) -> SftTrainer:
    return SftTrainer(SftParams(**{"learning_rate": 3e-3, "batch_size": 8, "epochs": 4, "max_length": 96, **params}))


def test_the_loss_falls_and_the_model_loads_and_says_what_it_was_taught(model: Path, tmp_path: Path) -> None:
    from tests.backends.conftest import generate, opened

    done = train(stage(epochs=25, learning_rate=1e-2), tmp_path / "one", model, demonstrations=demonstrations())
    assert done.figures["last_loss"] < 0.3 * done.figures["first_loss"]
    assert done.fates == {("kept", ""): 16}
    assert done.figures["rows"] == 16
    assert done.context.told[-1][0] == done.context.told[-1][1] == done.figures["steps"]
    from constitutional.api import Request

    assert generate(opened(done.folder), [Request((user("who are you"),), max_new_tokens=16)])[0].text == "yes indeed"


def test_two_runs_leave_the_same_bytes_wherever_they_are(model: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(model, tmp_path / "copy")
    one = train(stage(epochs=1), tmp_path / "one", model, demonstrations=demonstrations())
    two = train(stage(epochs=1), tmp_path / "deeper" / "two", tmp_path / "copy", demonstrations=demonstrations())
    assert contents(one.folder) == contents(two.folder)
    for path in one.folder.iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path
    assert {path.suffix for path in one.folder.iterdir()} <= {".safetensors", ".json", ".jsonl", ".jinja"}


def test_another_seed_gives_another_model(model: Path, tmp_path: Path) -> None:
    one = train(stage(epochs=1), tmp_path / "one", model, demonstrations=demonstrations())
    two = train(stage(epochs=1), tmp_path / "two", model, demonstrations=demonstrations(), seed=8)
    assert contents(one.folder)["model.safetensors"] != contents(two.folder)["model.safetensors"]


def test_rows_that_cannot_be_used_are_counted_by_reason(model: Path, tmp_path: Path) -> None:
    long = Demonstration(row_id="long", prompt=(user("x" * 200),), completion="y")
    empty = Demonstration(row_id="empty", prompt=(user("hi"),), completion="")
    blank = Demonstration(row_id="blank", prompt=(user("hi"),), completion="  \n")
    done = train(stage(epochs=1), tmp_path, model, demonstrations=[*demonstrations(8), long, empty, blank])
    assert done.fates == {("kept", ""): 8, ("dropped", "too-long"): 1, ("dropped", "empty"): 2}


def test_nothing_to_train_on_says_so(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"no demonstration is left"):
        train(stage(), tmp_path, model, demonstrations=[])


def test_a_dialogue_that_the_template_refuses_is_dropped(tmp_path: Path) -> None:
    from tests.backends import tiny

    mistral = tiny.save(tmp_path / "mistral", family=next(f for f in FAMILIES if f.name == "mistral"))
    odd = Demonstration(row_id="odd", prompt=(user("a"), user("b")), completion="c")
    done = train(stage(epochs=1), tmp_path / "run", mistral, demonstrations=[*demonstrations(8), odd])
    assert done.fates == {("kept", ""): 8, ("dropped", "template"): 1}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_hostile_rows_forge_no_control_token_in_training(family: Any) -> None:
    tok = tokenizer(family)
    marks = set(tok.convert_tokens_to_ids(list(family.all)))

    def controls(text: str) -> list[list[int]]:
        row = Demonstration(row_id="x", prompt=(user(text), assistant(text), user(text)), completion=text)
        rows, _ = stage(max_length=100_000)._rows(Inputs({}, {"demonstrations": [row]}), DialogueEncoder(tok))
        return [[token for token in found["input_ids"] if token in marks] for found in rows]

    honest = controls("hello")
    for text in hostile(family, 100):
        if text.strip():
            assert controls(text) == honest


def test_the_loss_is_on_the_answer_and_its_end_alone() -> None:
    tok = tokenizer(FAMILIES[0])
    rows, _ = stage()._rows(Inputs({}, {"demonstrations": demonstrations(1)}), DialogueEncoder(tok))
    taught = [token for token, on in zip(rows[0]["input_ids"], rows[0]["completion_mask"], strict=True) if on]
    assert tok.decode(taught) == "yes indeed<|im_end|>\n"


def test_lora_leaves_an_adapter_and_the_backend_puts_it_on(model: Path, tmp_path: Path) -> None:
    from constitutional.api import Request
    from tests.backends.conftest import generate, opened

    done = train(stage(lora={"r": 8}, epochs=30, learning_rate=2e-2), tmp_path, model, demonstrations=demonstrations())
    assert (done.folder / "adapter_model.safetensors").is_file()
    assert not (done.folder / "model.safetensors").exists()
    assert str(tmp_path) not in (done.folder / "adapter_config.json").read_text()
    ask = [Request((user("who are you"),), max_new_tokens=16)]
    assert generate(opened(model, adapter=done.folder), ask)[0].text == "yes indeed"


def test_a_merged_adapter_is_a_whole_model(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    done = train(stage(lora={"r": 4, "merge": True}, epochs=1), tmp_path, model, demonstrations=demonstrations())
    AutoModelForCausalLM.from_pretrained(done.folder)
    assert not (done.folder / "adapter_config.json").exists()


def test_two_lora_runs_leave_the_same_bytes_wherever_they_are(model: Path, tmp_path: Path) -> None:
    one = train(stage(lora={"r": 4}, epochs=1), tmp_path / "one", model, demonstrations=demonstrations())
    two = train(stage(lora={"r": 4}, epochs=1), tmp_path / "two", model, demonstrations=demonstrations())
    assert contents(one.folder) == contents(two.folder)


def test_training_goes_on_from_an_adapter(model: Path, tmp_path: Path) -> None:
    first = train(stage(lora={"r": 4}, epochs=2), tmp_path / "one", model, demonstrations=demonstrations())
    second = train(stage(epochs=1), tmp_path / "two", first.folder, demonstrations=demonstrations())
    assert second.losses[0] < first.losses[0]


def test_packing_trains_too(model: Path, tmp_path: Path) -> None:
    done = train(stage(epochs=4, packing=True), tmp_path, model, demonstrations=demonstrations())
    assert done.figures["last_loss"] < done.figures["first_loss"]


def test_a_learning_rate_that_breaks_the_model_fails_the_step(model: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="not a number"):
        train(
            stage(learning_rate=1e30, max_grad_norm=1e30, warmup=0, epochs=8),
            tmp_path,
            model,
            demonstrations=demonstrations(),
        )


def test_further_arguments_reach_the_trainer(model: Path, tmp_path: Path) -> None:
    done = train(
        stage(epochs=2, trainer_args={"logging_steps": 1, "label_smoothing_factor": 0.0}),
        tmp_path,
        model,
        demonstrations=demonstrations(),
    )
    lines = done.log
    assert sum("loss" in line for line in lines) == done.figures["steps"]


def test_a_typo_in_trainer_args_is_found_before_anything_runs() -> None:
    assert list(SftTrainer.check(SftParams(trainer_args={"loging_steps": 1}))) == [
        "`trainer_args.loging_steps` is not known to sft; did you mean `logging_steps`?"
    ]
    assert "written `learning_rate` here" in next(iter(SftTrainer.check(SftParams(trainer_args={"learning_rate": 1}))))


def test_prompts_with_answers_flow_in_as_demonstrations() -> None:
    from constitutional.ports import widen

    row = widen(Prompt(row_id="p", prompt=(user("hi"),), completion="yes"), Demonstration)
    assert isinstance(row, Demonstration)
