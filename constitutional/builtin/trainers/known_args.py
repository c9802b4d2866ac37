"""Names of the arguments that each trainer's configuration class takes, so that a typo is found without importing TRL.

``python -m constitutional.builtin.trainers.known_args`` writes the list again, for the TRL that is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from constitutional.api import nearest
from constitutional.builtin.trainers import adapters, launch, stopping
from constitutional.builtin.trainers.parameters import OURS, TRACKERS, FitParams, TrainerParams

LIST = Path(__file__).parent / "known_args.json"


@cache
def known(trainer: str) -> frozenset[str]:
    return frozenset(json.loads(LIST.read_text(encoding="utf-8"))[trainer])


def mistakes(trainer: str, given: dict[str, Any], own: Mapping[str, str | None] | None = None) -> Iterator[str]:
    """What is wrong with `trainer_args`, a sentence each; `own` adds to `OURS` what one trainer calls otherwise."""
    said = OURS | dict(own or {})
    for name in given:
        if name in said and (name in known(trainer) or said[name] in (None, *TrainerParams.model_fields)):
            ours = said[name]
            yield f"`trainer_args.{name}` is " + (f"written `{ours}` here" if ours else "set by the run itself")
        elif name not in known(trainer):
            guess = nearest(name, known(trainer))
            yield f"`trainer_args.{name}` is not known to {trainer}" + (f"; did you mean `{guess}`?" if guess else "")


def all_mistakes(
    trainer: str, params: FitParams, own: Mapping[str, str | None] | None = None, *, sharded: bool = True,
    policy: bool = True,
) -> Iterator[str]:  # fmt: skip
    """What is wrong with `trainer_args`, `launch`, `lora`, `report_to` and `liger`, a sentence each."""
    yield from mistakes(
        trainer, params.trainer_args, {**launch.OWN, **stopping.OWN, "use_liger_kernel": "liger", **dict(own or {})}
    )
    yield from launch.mistakes(params, sharded)
    yield from adapters.mistakes(params.lora, policy=policy)
    yield from tracker_mistakes(params)
    if params.liger and find_spec("liger_kernel") is None:
        yield "`liger: true` needs the package `liger-kernel`, which is not installed: `pip install liger-kernel`"
    if params.attention.startswith("flash_attention") and find_spec("flash_attn") is None:
        yield f"`attention: {params.attention}` needs the package `flash-attn`, which is not installed: `pip install flash-attn`"


def tracker_mistakes(params: TrainerParams) -> Iterator[str]:
    """Trackers that nobody knows, and those whose package is not here."""
    for name in params.report_to:
        if name not in TRACKERS:
            guess = nearest(name, TRACKERS)
            yield f"`report_to` names `{name}`, no tracker that transformers knows" + (
                f"; did you mean `{guess}`?" if guess else ""
            )
        elif TRACKERS[name] not in sys.modules and find_spec(TRACKERS[name]) is None:
            yield f"`report_to: [{name}]` needs the package `{TRACKERS[name]}`, which is not installed: `pip install {TRACKERS[name]}`"


def write() -> None:
    """Write the list from the installed libraries."""
    from dataclasses import fields

    from transformers import TrainingArguments
    from trl import GRPOConfig, KTOConfig, RewardConfig, RLOOConfig, SFTConfig

    classes: dict[str, Any] = {
        "sft": SFTConfig, "reward": RewardConfig, "dpo": TrainingArguments, "orpo": TrainingArguments, "kto": KTOConfig,
        "grpo": GRPOConfig, "rloo": RLOOConfig, "process-reward": TrainingArguments,
    }  # fmt: skip
    names = {name: sorted(f.name for f in fields(cls) if f.init) for name, cls in classes.items()}
    LIST.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
