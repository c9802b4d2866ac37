"""Supervised fine-tuning beside `trl.SFTTrainer`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.setting import Case, Rows, Seen, Setting, losses_of
from benchmarks.trainer_overhead.stages import fitting


def bare(setting: Setting, rows: Rows, folder: Path) -> Seen:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    packing = setting.packing and not setting.defaults
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(setting.model, **setting.weights()),
        SFTConfig(**setting.bare(folder), max_length=setting.max_length, packing=packing),
        train_dataset=Dataset.from_list(data.conversational(rows, "completion")),
        processing_class=AutoTokenizer.from_pretrained(setting.model),
    )
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return Seen(losses_of(trainer))


CASES = {"sft": Case(data.demonstrations, fitting("sft:SftTrainer", "demonstrations"), bare, "trl.SFTTrainer", 6)}
