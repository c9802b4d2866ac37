"""GRPO and RLOO beside TRL's trainers with the same reward as a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead import rows as data
from benchmarks.trainer_overhead.setting import SEED, Case, Rows, Seen, Setting, Train
from benchmarks.trainer_overhead.stages import stage_of, trained

WANTED = ("order", "card", "please", "help")
NEW_TOKENS = 16
GROUP = 4
KL = 0.05


def share_of_words(completions: list[Any], **_: Any) -> list[float]:
    """The share of the wanted words that an answer contains: the rule `contains` of our rewards."""
    texts = [said[0]["content"].casefold() for said in completions]
    return [sum(word in text for word in WANTED) / len(WANTED) for text in texts]


def _seen(log: list[dict[str, Any]], batch: int) -> Seen:
    """From a log of TRL: its lines with a reward are steps."""
    steps = [entry for entry in log if "reward" in entry]
    lengths = sum(entry["completions/mean_length"] for entry in steps)
    return Seen([entry["loss"] for entry in steps], round(lengths * batch), [entry["reward"] for entry in steps])


def ours(name: str) -> Train:
    def run(setting: Setting, rows: Rows, folder: Path) -> Seen:
        done = trained(stage_of(name), setting, rows, folder, "prompts", reward={"rules": {"contains": WANTED}}, group_size=GROUP,
                       kl_coefficient=KL, max_new_tokens=NEW_TOKENS)  # fmt: skip
        log = [
            json.loads(line) for line in (done.folder / "training_log.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        return _seen(log, setting.batch_size)

    return run


def bare(trainer_name: str, config_name: str, **options: Any) -> Train:
    def run(setting: Setting, rows: Rows, folder: Path) -> Seen:
        import trl
        from datasets import Dataset
        from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

        set_seed(SEED)
        trainer = getattr(trl, trainer_name)(
            AutoModelForCausalLM.from_pretrained(setting.model, **setting.weights()),
            share_of_words,
            getattr(trl, config_name)(
                **setting.bare(folder), num_generations=GROUP, max_completion_length=NEW_TOKENS, beta=KL, **options
            ),
            train_dataset=Dataset.from_list(data.conversational(rows)),
            processing_class=AutoTokenizer.from_pretrained(setting.model),
        )
        trainer.train()
        trainer.save_model(str(folder / "model"))
        return _seen(trainer.state.log_history, setting.batch_size)

    return run


FEWER: dict[str, Any] = {"epochs": 1, "learning_rate": 1e-5}
CASES = {
    "grpo": Case(data.prompts, ours("grpo:GrpoTrainer"), bare("GRPOTrainer", "GRPOConfig", loss_type="grpo"), "trl.GRPOTrainer", None,
                 options=FEWER),
    "rloo": Case(data.prompts, ours("rloo:RlooTrainer"), bare("RLOOTrainer", "RLOOConfig"), "trl.RLOOTrainer", None, options=FEWER),
}  # fmt: skip
