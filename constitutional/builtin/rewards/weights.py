"""Weights of reward models: a folder of an earlier step becomes a model in evaluation mode and its own tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from constitutional.api import UserError
from constitutional.builtin.backends.loading import (
    LOADING,
    base_of,
    device_of,
    inspect_folder,
    is_folder,
    load_tokenizer,
)


def is_process_model(folder: Path) -> bool:
    """Whether a reward model scores steps: its configuration, or for an adapter the log of its training, has what
    separates them."""
    return _separator(folder) is not None


def separator_of(folder: Path) -> str:
    """What stands between two steps for a process reward model.

    Raises:
        UserError: if this is none.
    """
    found = _separator(folder)
    if found is None:
        raise UserError(f"{folder} is no process reward model", help="train one with `trainer: process-reward`")
    return found


def _separator(folder: Path) -> str | None:
    for name in ("config.json", "training.json"):
        if (folder / name).is_file():
            said = json.loads((folder / name).read_text(encoding="utf-8")).get("step_separator")
            if isinstance(said, str) and said:
                return said
    return None


def load_classifier(folder: Path, automatic: str, labels: int) -> tuple[Any, Any]:
    """A classifier in float32 and evaluation mode, and its tokenizer; an adapter is put on its base.

    `automatic` is the name of transformers' automatic class.

    Raises:
        UserError: if what is there may not be loaded, or is no such model.
    """
    import torch
    import transformers

    inspect_folder(folder)
    tokenizer = load_tokenizer(str(folder), None)
    base = base_of(str(folder))
    adapted = base != str(folder)
    with LOADING:
        try:
            model = getattr(transformers, automatic).from_pretrained(
                base, dtype=torch.float32, num_labels=labels, local_files_only=is_folder(base), use_safetensors=True,
                trust_remote_code=False,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"the reward model in {folder} cannot be loaded: {error}") from error
        if adapted:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
    model.config.pad_token_id = tokenizer.pad_token_id
    return model.to(device_of("auto")).eval(), tokenizer


def right_padded(rows: list[list[int]], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask, both [rows, longest], padded on the right."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    return ids, mask
