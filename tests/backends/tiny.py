"""Tiny random models, saved as folders that any backend or trainer loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.backends.families import FAMILIES, Family, tokenizer

CONTEXT = 128


def save(
    folder: Path, architecture: str = "llama", *, seed: int = 0, family: Family = FAMILIES[0], spread: float = 0.6
) -> Path:
    """A random model of two layers with the tokenizer of `family`; `spread` makes its choices sharp enough to tell apart."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

    tok = tokenizer(family)
    shape: dict[str, Any] = {
        "vocab_size": len(tok), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": CONTEXT, "initializer_range": spread, "tie_word_embeddings": False,
        "bos_token_id": tok.bos_token_id, "eos_token_id": tok.eos_token_id, "pad_token_id": tok.pad_token_id,
    }  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = (
            LlamaForCausalLM(LlamaConfig(**shape))
            if architecture == "llama"
            else Qwen2ForCausalLM(Qwen2Config(**shape))
        )
    model.save_pretrained(folder, safe_serialization=True)
    tok.save_pretrained(folder)
    return folder


def adapter(model: Path, folder: Path) -> Path:
    """A random adapter of low rank for a saved model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = get_peft_model(
            AutoModelForCausalLM.from_pretrained(model),
            LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False),
        )
    made.save_pretrained(folder)
    return folder
