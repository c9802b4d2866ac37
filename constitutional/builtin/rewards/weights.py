"""Weights of reward models: a folder of an earlier step becomes a model in evaluation mode and its own tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from constitutional.api import UserError
from constitutional.builtin.backends.loading import device_of, inspect_folder, is_folder, load_tokenizer, resolve


def is_process_model(folder: Path) -> bool:
    """Whether a reward model scores steps: it has a separator of steps in its configuration."""
    return "step_separator" in _configuration(folder)


def _configuration(folder: Path) -> dict[str, Any]:
    for name in ("config.json", "adapter_config.json"):
        if (folder / name).is_file():
            said: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
            return said
    raise UserError(f"{folder} holds no reward model: there is no config.json")


def separator_of(folder: Path) -> str:
    """What stands between two steps for a process reward model."""
    return str(_configuration(folder)["step_separator"])


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
    base = str(folder)
    adapted = (folder / "adapter_config.json").is_file()
    if adapted:
        base = resolve(str(_adapter(folder)["base_model_name_or_path"]))
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


def _adapter(folder: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return said


def right_padded(rows: list[list[int]], pad: int, device: Any) -> tuple[Any, Any]:
    """Token ids and attention mask, both [rows, longest], padded on the right."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    return ids, mask
