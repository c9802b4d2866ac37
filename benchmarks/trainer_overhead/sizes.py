"""Models of usual sizes with random weights, and how much of an accelerator's arithmetic a training uses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

#: Qwen2 shapes: hidden, intermediate, layers, heads, key-value heads, vocabulary.  `tiny` is for trying the path on CPU.
SHAPES: dict[str, tuple[int, int, int, int, int, int]] = {
    "tiny": (64, 128, 2, 4, 2, 1536),
    "0.5b": (896, 4864, 24, 14, 2, 151_936),
    "1.5b": (1536, 8960, 28, 12, 2, 151_936),
}

#: Dense bfloat16 operations a second, from the vendors' data sheets; the longest name that the device's begins with counts.
PEAKS = {"NVIDIA A100": 312e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA H100": 989e12, "NVIDIA H200": 989e12, "NVIDIA L4": 121e12,
         "NVIDIA L40S": 362e12, "NVIDIA A10": 125e12, "NVIDIA B200": 2250e12, "NVIDIA GeForce RTX 4090": 165e12}  # fmt: skip


def save(size: str, folder: Path, tokenizer: Path) -> Path:
    """A model of a size, in a folder with a tokenizer whose tokens it knows."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen2Config

    hidden, inner, layers, heads, shared, vocabulary = SHAPES[size]
    read = AutoTokenizer.from_pretrained(tokenizer)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(Qwen2Config(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=shared, tie_word_embeddings=True, max_position_embeddings=4096, bos_token_id=None,
        eos_token_id=read.eos_token_id, pad_token_id=read.pad_token_id,
    ))  # fmt: skip
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    read.save_pretrained(folder)
    return folder


def peak_flops() -> float | None:
    """What the device can do; None without one, or one that the table lacks."""
    import torch

    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name(0)
    known = [one for one in PEAKS if name.startswith(one)]
    return PEAKS[max(known, key=len)] if known else None


def flops_a_token(model: Path, factor: float, length: float) -> float:
    """Operations a token of a sequence of `length`: `factor` a parameter that multiplies, and twice that for attention's scores.

    6 N + 12 L d s for one forward and one backward pass (Chowdhery et al. 2022, appendix B); `factor` is 6 for them.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(model)
    return (
        factor * _parameters(AutoModelForCausalLM, config)
        + 2 * factor * config.num_hidden_layers * config.hidden_size * length
    )


def _parameters(automatic: Any, config: Any) -> int:
    """Parameters that multiply: an embedding that is not the head as well only looks up."""
    import torch

    with torch.device("meta"):
        model = automatic.from_config(config)
    whole = sum(one.numel() for one in model.parameters())
    return whole if config.tie_word_embeddings else whole - model.get_input_embeddings().weight.numel()
