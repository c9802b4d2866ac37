"""What both sides of a comparison are given, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

SEED = 7

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One training."""

    model: str
    epochs: float = 2
    batch_size: int = 16
    learning_rate: float = 1e-4
    max_length: int = 1024
    packing: bool = False
    attention: str = "auto"
    #: Leave to TRL what TRL has a default for (gradient checkpointing, no packing): only for the bare script.
    defaults: bool = False

    def ours(self) -> dict[str, Any]:
        """Parameters of a stage."""
        return {"epochs": self.epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate, "scheduler": "linear",
                "warmup": 0, "max_length": self.max_length, "attention": self.attention}  # fmt: skip

    def bare(self, folder: Path) -> dict[str, Any]:
        """Arguments of transformers, as a script would write them."""
        import torch

        there = torch.cuda.is_available()
        chosen = {} if self.defaults else {"gradient_checkpointing": False}
        return {"output_dir": str(folder), "num_train_epochs": self.epochs, "learning_rate": self.learning_rate, "logging_steps": 1,
                "seed": SEED, "data_seed": SEED, "per_device_train_batch_size": self.batch_size, "use_cpu": not there,
                "bf16": there and torch.cuda.is_bf16_supported(), "report_to": "none", "disable_tqdm": True, "save_strategy": "no",
                "lr_scheduler_type": "linear", "dataloader_pin_memory": there, **chosen}  # fmt: skip

    def weights(self) -> dict[str, Any]:
        """Arguments of `from_pretrained`."""
        import torch

        chosen = {} if self.attention == "auto" or self.defaults else {"attn_implementation": self.attention}
        return {"dtype": torch.float32, **chosen}


class Seen(NamedTuple):
    """What a training leaves: a loss a step (PPO: a round); where it samples, how many tokens, and the mean reward a step."""

    losses: list[float]
    sampled: int | None = None
    rewards: list[float] | None = None


Train = Callable[[Setting, Rows, Path], Seen]


class Case(NamedTuple):
    """A trainer and the script beside it."""

    #: Rows for both, from a count and the words of a text.
    rows: Callable[[int, int], Rows]
    ours: Train
    bare: Train
    script: str
    #: Forward and backward passes over each token, in floating-point operations a parameter; None where it samples.
    flops: float | None
    #: Why the losses are not the same, where they are not meant to be.
    differs: str = ""
    options: Mapping[str, Any] = {}


def losses_of(trainer: Any) -> list[float]:
    """The loss of each step from a log of transformers."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
