"""KTO beside `trl.KTOTrainer`."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.setting import SEED, Case, Rows, Seen, Setting, losses_of
from benchmarks.trainer_overhead.stages import fitting


def bare(setting: Setting, rows: Rows, folder: Path) -> Seen:
    """TRL takes the rows as they come, so they come in the random order in which our stage takes them."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import KTOConfig, KTOTrainer

    from constitutional.api import row_seed

    ordered = data.conversational(rows, "completion", "label")
    random.Random(row_seed(SEED, "trainer/kto", "order")).shuffle(ordered)
    trainer = KTOTrainer(
        AutoModelForCausalLM.from_pretrained(setting.model, **setting.weights()),
        args=KTOConfig(**setting.bare(folder), max_length=setting.max_length, beta=0.1),
        train_dataset=Dataset.from_list(ordered),
        processing_class=AutoTokenizer.from_pretrained(setting.model),
    )
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return Seen(losses_of(trainer))


CASES = {"kto": Case(data.scores, fitting("kto:KtoTrainer", "scores"), bare, "trl.KTOTrainer", 10)}
