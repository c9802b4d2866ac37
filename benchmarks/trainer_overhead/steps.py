"""Process reward models beside transformers' own `Trainer` and token classification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.setting import SEED, Case, Rows, Seen, Setting, losses_of
from benchmarks.trainer_overhead.stages import fitting


def _labelled(row: Mapping[str, Any], tokenizer: Any) -> dict[str, list[int]]:
    """Each step, then a newline whose label is whether the step is right; other tokens are left out of the loss."""
    ids = list(tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"])
    labels = [-100] * len(ids)
    mark = tokenizer("\n", add_special_tokens=False)["input_ids"]
    for step, right in zip(row["completions"], row["labels"], strict=True):
        said = tokenizer(step, add_special_tokens=False)["input_ids"] + mark
        ids, labels = ids + said, labels + [-100] * (len(said) - 1) + [int(right)]
    return {"input_ids": ids, "labels": labels}


def bare(setting: Setting, rows: Rows, folder: Path) -> Seen:
    """The rows that our stage holds out are held out here too, and agreement on them is measured at the end."""
    from transformers import (
        AutoModelForTokenClassification,
        AutoTokenizer,
        DataCollatorForTokenClassification,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from constitutional.builtin.trainers.tokens import split

    tokenizer = AutoTokenizer.from_pretrained(setting.model, padding_side="right")
    taught, held_out = ([_labelled(row, tokenizer) for row in part] for part in split(list(map(dict, rows)), 0.1))
    set_seed(SEED)  # the head begins at random
    model = AutoModelForTokenClassification.from_pretrained(setting.model, num_labels=2, **setting.weights())
    trainer = Trainer(
        model,
        TrainingArguments(**setting.bare(folder)),
        train_dataset=taught,
        data_collator=DataCollatorForTokenClassification(tokenizer),
        processing_class=tokenizer,
    )
    trainer.train()
    if held_out:
        said = trainer.predict(held_out)
        here = said.label_ids != -100
        assert 0 <= (said.predictions.argmax(-1)[here] == said.label_ids[here]).mean() <= 1
    trainer.save_model(str(folder / "model"))
    return Seen(losses_of(trainer))


CASES = {
    "process-reward": Case(
        data.step_labels, fitting("process_reward:ProcessRewardTrainer", "step_labels"), bare, "transformers.Trainer", 6
    )
}
