"""What learns from pairs: reward models, DPO and ORPO beside TRL's trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.setting import SEED, Case, Rows, Seen, Setting, losses_of
from benchmarks.trainer_overhead.stages import fitting


def reward(setting: Setting, rows: Rows, folder: Path) -> Seen:
    """The rows that our stage holds out are held out here too, and agreement on them is measured at the end."""
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, set_seed
    from trl import RewardConfig, RewardTrainer

    from constitutional.builtin.trainers.tokens import split

    taught, held_out = (data.conversational(part, "chosen", "rejected") for part in split(list(map(dict, rows)), 0.1))
    tokenizer = AutoTokenizer.from_pretrained(setting.model)
    set_seed(SEED)  # the head begins at random
    model = AutoModelForSequenceClassification.from_pretrained(setting.model, num_labels=1, **setting.weights())
    model.config.pad_token_id = tokenizer.pad_token_id
    trainer = RewardTrainer(
        model,
        RewardConfig(**setting.bare(folder), max_length=setting.max_length),
        train_dataset=Dataset.from_list(taught),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        processing_class=tokenizer,
    )
    trainer.train()
    if held_out:
        trainer.evaluate()
    trainer.save_model(str(folder / "model"))
    return Seen(losses_of(trainer))


def dpo(setting: Setting, rows: Rows, folder: Path) -> Seen:
    from trl import DPOConfig, DPOTrainer

    return _compared(DPOTrainer, DPOConfig, setting, rows, folder)


def orpo(setting: Setting, rows: Rows, folder: Path) -> Seen:
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    return _compared(ORPOTrainer, ORPOConfig, setting, rows, folder)


def _compared(trainer_class: Any, config_class: Any, setting: Setting, rows: Rows, folder: Path) -> Seen:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trainer = trainer_class(
        AutoModelForCausalLM.from_pretrained(setting.model, **setting.weights()),
        args=config_class(**setting.bare(folder), max_length=setting.max_length, beta=0.1),
        train_dataset=Dataset.from_list(data.conversational(rows, "chosen", "rejected")),
        processing_class=AutoTokenizer.from_pretrained(setting.model),
    )
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return Seen(losses_of(trainer))


CASES = {
    "reward": Case(data.preferences, fitting("reward:RewardTrainer", "preferences"), reward, "trl.RewardTrainer", 6),
    "dpo": Case(data.preferences, fitting("dpo:DpoTrainer", "preferences"), dpo, "trl.DPOTrainer", 8),
    "orpo": Case(data.preferences, fitting("orpo:OrpoTrainer", "preferences"), orpo, "trl.experimental.orpo", 6,
                 "TRL takes the likelihood of the prompt's tokens too, ours that of the answer alone, as in the paper"),
}  # fmt: skip
