"""Reward models on a tiny model, and next to TRL's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from constitutional.builtin.trainers import reward, tokens
from constitutional.builtin.trainers.reward import RewardParams, RewardTrainer
from tests.trainers.support import preferences, train


def stage(**params: Any) -> RewardTrainer:
    return RewardTrainer(
        RewardParams(
            **{"learning_rate": 3e-3, "batch_size": 8, "epochs": 4, "max_length": 96, "eval_fraction": 0.2, **params}
        )
    )


def test_the_loss_falls_and_held_out_pairs_are_ranked_rightly(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    done = train(stage(epochs=6), tmp_path, model, preferences=preferences(40))
    assert done.figures["last_loss"] < 0.3
    assert done.figures["held_out"] > 0
    assert done.figures["held_out"] + done.figures["rows"] == 40
    assert done.figures["held_out_agreement"] == 1
    assert done.fates == {("kept", ""): 40}
    assert AutoModelForSequenceClassification.from_pretrained(done.folder).config.num_labels == 1
    assert {path.suffix for path in done.folder.iterdir()} <= {".safetensors", ".json", ".jsonl", ".jinja"}


def test_a_reward_learns_the_probability_and_not_the_verdict(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    done = train(
        stage(epochs=20, learning_rate=1e-2, eval_fraction=0.0), tmp_path, model, preferences=preferences(16, p=0.8)
    )
    scored = AutoModelForSequenceClassification.from_pretrained(done.folder)
    tok = AutoTokenizer.from_pretrained(done.folder)

    def score(answer: str) -> float:
        text = tok.apply_chat_template(
            [{"role": "user", "content": "hello there 1"}, {"role": "assistant", "content": answer}], tokenize=False
        )
        with torch.no_grad():
            return float(scored(**tok(text, return_tensors="pt", add_special_tokens=False)).logits)

    assert 1 / (1 + math.exp(score("no") - score("yes indeed"))) == pytest.approx(0.8, abs=0.08)


def test_lora_keeps_its_head(model: Path, tmp_path: Path) -> None:
    done = train(stage(lora={"r": 8}, epochs=10, learning_rate=1e-2), tmp_path, model, preferences=preferences(32))
    from safetensors.torch import load_file

    kept = load_file(done.folder / "adapter_model.safetensors")
    assert any("score" in name for name in kept)
    assert done.figures["held_out_agreement"] == 1


def test_a_merged_reward_adapter_is_a_whole_model(model: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    done = train(stage(lora={"r": 4, "merge": True}, epochs=2), tmp_path, model, preferences=preferences())
    AutoModelForSequenceClassification.from_pretrained(done.folder)


def test_a_head_that_was_lost_on_the_way_fails_the_step(model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    from constitutional.api import StepFailed

    done = train(stage(epochs=2), tmp_path, model, preferences=preferences())
    rows = [{"prompt_ids": [1, 2, 3], "chosen_ids": [4, 5], "rejected_ids": [6], "p_chosen": 1.0}]
    from transformers import AutoModelForSequenceClassification

    whole = AutoModelForSequenceClassification.from_pretrained(done.folder)
    before = reward.scores(whole, rows, 256)
    reward._compare(done.folder, rows, 256, before, RewardParams())
    weights = load_file(done.folder / "model.safetensors")
    weights["score.weight"] = weights["score.weight"] + 1
    save_file(weights, done.folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(StepFailed, match="scores differently"):
        reward._compare(done.folder, rows, 256, before, RewardParams())


def test_the_loss_of_hard_labels_is_the_one_of_trl(model: Path, tmp_path: Path) -> None:
    losses = both(model, tmp_path, [1.0] * 5, centring=0.0)[:2]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_centring_is_the_one_of_trl(model: Path, tmp_path: Path) -> None:
    losses = both(model, tmp_path, [1.0] * 5, centring=0.3)[:2]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def test_a_soft_label_adds_its_doubt_times_the_difference(model: Path, tmp_path: Path) -> None:
    p = [1.0, 0.9, 0.5, 0.7, 0.6]
    ours, theirs, difference = both(model, tmp_path, p, centring=0.0)
    assert ours == pytest.approx(theirs + sum((1 - q) * d for q, d in zip(p, difference, strict=True)) / 5, abs=1e-5)


def both(model: Path, folder: Path, p: list[float], centring: float) -> tuple[float, float, list[float]]:
    """Our loss, TRL's on the same batch, and the differences of the rewards."""
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from trl import RewardConfig
    from trl import RewardTrainer as Theirs

    torch.manual_seed(0)
    scored = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
    scored.score.weight.data.mul_(20)
    tok = AutoTokenizer.from_pretrained(model)
    scored.config.pad_token_id = tok.pad_token_id
    rows = [{"chosen_ids": [1, 2, 3 + i, 4], "rejected_ids": [5, 6 + i], "p_chosen": q} for i, q in enumerate(p)]
    made = [
        cls(scored, RewardConfig(output_dir=str(folder), use_cpu=True, bf16=False, report_to="none", max_length=96, gradient_checkpointing=False,
                                 center_rewards_coefficient=centring or None, remove_unused_columns=False),
            train_dataset=Dataset.from_list(rows), processing_class=tok)
        for cls in (reward.soft_reward_trainer(), Theirs)
    ]  # fmt: skip
    batch = reward.Collator(tok.pad_token_id)(rows)
    scored.eval()
    with torch.no_grad():
        ours = float(made[0].compute_loss(scored, batch))
        theirs = float(
            made[1].compute_loss(scored, {name: value for name, value in batch.items() if name != "p_chosen"})
        )
        rewards = scored(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
    chosen, rejected = rewards.chunk(2)
    return ours, theirs, (chosen - rejected).tolist()


def test_more_data_moves_no_pair_from_one_side_to_the_other() -> None:
    rows = [{"row_id": f"r{i}"} for i in range(200)]
    few, many = tokens.split(rows[:100], 0.3), tokens.split(rows, 0.3)
    assert few[1] == [row for row in many[1] if row in rows[:100]]
    assert 15 <= len(few[1]) <= 45


def test_a_typo_in_trainer_args_is_found_before_anything_runs() -> None:
    assert "did you mean `logging_steps`" in next(
        iter(RewardTrainer.check(RewardParams(trainer_args={"loging_steps": 1})))
    )
    assert "written `centring` here" in next(
        iter(RewardTrainer.check(RewardParams(trainer_args={"center_rewards_coefficient": 1})))
    )
