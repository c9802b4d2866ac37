"""What our SFT stage costs over the same training written as a bare TRL script, on the embedded model.

    python benchmarks/trainer_overhead.py [--rows 256] [--epochs 2]

Prints JSON: wall time of both (after one warm-up of the libraries), their ratio, and the largest difference of their losses.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from constitutional.api import Demonstration, user
from constitutional.builtin.backends.loading import resolve
from constitutional.builtin.trainers.sft import SftParams, SftTrainer
from tests.trainers.support import train

WORDS = [
    "please",
    "tell",
    "me",
    "the",
    "status",
    "of",
    "my",
    "order",
    "and",
    "the",
    "card",
    "that",
    "it",
    "was",
    "paid",
    "with",
    "before",
    "the",
    "parcel",
    "leaves",
    "today",
]
SHARED: dict[str, Any] = {"learning_rate": 1e-4, "batch_size": 16}


def rows(count: int) -> list[Demonstration]:
    draw = random.Random(0)
    return [Demonstration(row_id=f"d{i}", prompt=(user(" ".join(draw.choices(WORDS, k=12))),), completion=" ".join(draw.choices(WORDS, k=12)))
            for i in range(count)]  # fmt: skip


def ours(demonstrations: list[Demonstration], epochs: float, folder: Path) -> list[float]:
    stage = SftTrainer(
        SftParams(epochs=epochs, scheduler="linear", warmup=0, trainer_args={"logging_steps": 1}, **SHARED)
    )
    return train(stage, folder, Path(resolve("builtin:support-agent")), demonstrations=demonstrations).losses  # type: ignore[no-any-return]


def bare(demonstrations: list[Demonstration], epochs: float, folder: Path) -> list[float]:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    place = resolve("builtin:support-agent")
    data = [
        {
            "prompt": [turn.to_json() for turn in row.prompt],
            "completion": [{"role": "assistant", "content": row.completion}],
        }
        for row in demonstrations
    ]
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(place, dtype=torch.float32),
        SFTConfig(output_dir=str(folder), num_train_epochs=epochs, learning_rate=SHARED["learning_rate"], logging_steps=1, seed=7, data_seed=7,
                  per_device_train_batch_size=SHARED["batch_size"], use_cpu=not torch.cuda.is_available(), bf16=False, report_to="none",
                  max_length=1024, gradient_checkpointing=False, disable_tqdm=True, save_strategy="no", warmup_steps=0),
        train_dataset=Dataset.from_list(data), processing_class=AutoTokenizer.from_pretrained(place),
    )  # fmt: skip
    trainer.train()
    trainer.save_model(str(folder / "model"))
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--epochs", type=float, default=2)
    options = parser.parse_args()
    data = rows(options.rows)
    seconds: dict[str, float] = {}
    losses: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        ours(data[:16], 1, Path(place) / "warm")
        for name, run in (("bare", bare), ("ours", ours)):
            started = time.perf_counter()
            losses[name] = run(data, options.epochs, Path(place) / name)
            seconds[name] = time.perf_counter() - started
    apart = max(abs(a - b) for a, b in zip(losses["ours"], losses["bare"], strict=True))
    said = {"seconds": {name: round(value, 2) for name, value in seconds.items()}, "ratio": round(seconds["ours"] / seconds["bare"], 3),
            "steps": len(losses["ours"]), "largest_difference_of_losses": apart, "last_loss": losses["ours"][-1]}  # fmt: skip
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
