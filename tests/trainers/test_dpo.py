"""Direct preference optimisation on a tiny model, and next to TRL's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import dpo, preferences
from constitutional.builtin.trainers.dpo import DpoParams, DpoTrainer
from constitutional.builtin.trainers.pairs import PairCollator, logps

from tests.trainers.support import Inputs, contents, preferences as pairs, train  # fmt: skip  # isort: skip


def stage(**params: Any) -> DpoTrainer:
    return DpoTrainer(DpoParams(**{"learning_rate": 3e-3, "batch_size": 8, "epochs": 4, "max_length": 96, **params}))


def test_the_loss_falls_and_the_chosen_answers_gain(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    done = train(stage(), tmp_path, model, preferences=pairs())
    assert done.losses[0] == pytest.approx(0.693, abs=0.02)
    assert done.figures["last_loss"] < 0.4
    assert [m["margin"] for _, _, m in done.context.told if "margin" in m][-1] > 1
    assert done.fates == {("kept", ""): 16}
    AutoModelForCausalLM.from_pretrained(done.folder)
    assert {path.suffix for path in done.folder.iterdir()} <= {".safetensors", ".json", ".jsonl", ".jinja"}


def test_a_coin_toss_teaches_no_preference(model: Path, tmp_path: Path) -> None:
    done = train(stage(epochs=6), tmp_path, model, preferences=pairs(p=0.5))
    assert abs([m["margin"] for _, _, m in done.context.told if "margin" in m][-1]) < 0.2


@pytest.mark.parametrize("params", [{"loss": "ipo"}, {"loss": "hinge"}, {"loss": "robust", "flip_rate": 0.1}], ids=str)
def test_the_other_losses_fall_too(model: Path, tmp_path: Path, params: dict[str, Any]) -> None:
    done = train(stage(**params), tmp_path, model, preferences=pairs())
    assert done.figures["last_loss"] < done.figures["first_loss"]


def test_a_reference_of_its_own_is_used(model: Path, other: Path, tmp_path: Path) -> None:
    own = train(stage(epochs=1), tmp_path / "own", model, preferences=pairs())
    another = train(stage(epochs=1), tmp_path / "another", model, reference=other, preferences=pairs())
    assert own.losses[0] == pytest.approx(0.693, abs=0.02)
    assert contents(own.folder)["model.safetensors"] != contents(another.folder)["model.safetensors"]


def test_lora_learns_and_leaves_an_adapter(model: Path, tmp_path: Path) -> None:
    done = train(stage(lora={"r": 8}, learning_rate=1e-2), tmp_path, model, preferences=pairs())
    assert done.losses[0] == pytest.approx(0.693, abs=0.02)
    assert done.figures["last_loss"] < 0.6
    assert (done.folder / "adapter_model.safetensors").is_file()


def test_a_rate_of_flipped_labels_goes_with_the_robust_loss() -> None:
    assert "go together" in next(iter(DpoTrainer.check(DpoParams(loss="robust"))))
    assert "go together" in next(iter(DpoTrainer.check(DpoParams(flip_rate=0.1))))
    assert not list(DpoTrainer.check(DpoParams(loss="robust", flip_rate=0.1)))


def test_a_typo_in_trainer_args_is_found_before_anything_runs() -> None:
    assert "did you mean `adam_beta1`" in next(iter(DpoTrainer.check(DpoParams(trainer_args={"adam_beta_1": 0.9}))))
    assert "packing" in next(iter(DpoTrainer.check(DpoParams(trainer_args={"packing": True}))))


# -- next to TRL -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "hinge", "robust"])
def test_the_loss_of_hard_labels_is_the_one_of_trl(model: Path, other: Path, tmp_path: Path, loss: str) -> None:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    rows = pairs(6, chosen="yes indeed", rejected="no, not at all")
    tok = AutoTokenizer.from_pretrained(model)
    policy, reference = (AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32) for place in (model, other))
    theirs = DPOTrainer(
        policy, reference,
        DPOConfig(output_dir=str(tmp_path), loss_type=loss, beta=0.3, per_device_train_batch_size=6, max_length=96, use_cpu=True, bf16=False,
                  report_to="none", gradient_checkpointing=False, label_smoothing=0.2 if loss == "robust" else 0.0),
        train_dataset=Dataset.from_list([{"prompt": [turn.to_json() for turn in row.prompt],
                                          "chosen": [{"role": "assistant", "content": row.chosen}],
                                          "rejected": [{"role": "assistant", "content": row.rejected}]} for row in rows]),
        processing_class=tok,
    )  # fmt: skip
    more = {"flip_rate": 0.2} if loss == "robust" else {}
    params = DpoParams(loss=loss, beta=0.3, batch_size=4, **more)  # type: ignore[arg-type]
    ours, _ = preferences.pairs(Inputs({}, {"preferences": rows}), DialogueEncoder(tok), 96, True)
    dpo.add_reference(reference, ours, params, tok.pad_token_id)
    batch = PairCollator(tok.pad_token_id)(ours)
    policy.eval()
    with torch.no_grad():
        chosen, rejected = logps(policy, batch, mean=loss == "ipo").chunk(2)
        found = dpo.LOSSES[loss](chosen, rejected, *batch["reference"].chunk(2), batch["p_chosen"], beta=0.3, **more)
        expected = theirs.compute_loss(policy, next(iter(theirs.get_train_dataloader())))
    assert float(found) == pytest.approx(float(expected), abs=1e-5, rel=1e-5)
    assert abs(float(found) - {"sigmoid": 0.6931, "ipo": 2.7778, "hinge": 1.0, "robust": 0.6931}[loss]) > 1e-4
