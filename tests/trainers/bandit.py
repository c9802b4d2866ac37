"""A bandit with a known optimum: eight words, answers of one or a few of them, a reward that wants one word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from constitutional.api import Prompt, user
from constitutional.builtin.trainers.group import GroupTrainer
from constitutional.builtin.trainers.online_dpo import OnlineDpoTrainer
from constitutional.builtin.trainers.ppo import PpoTrainer

WORDS = tuple("abcdefgh")
#: The reward that all are taught by.
WANTS_C = {"rules": {"starts_with": ["c"]}}
USUAL = {"reward": WANTS_C, "max_new_tokens": 1, "max_length": 32, "scheduler": "constant", "warmup": 0}
#: A gold reward for policies that are taught to say `c`: it falls as they learn.
GOLD = {"rules": {"lacks": ["c"]}}
TEMPLATE = (
    "{% for m in messages %}{{ '<' + m['role'] + '> ' + m['content'] + ' <end> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}"
)


def save(folder: Path, *, seed: int = 0, spread: float = 0.2) -> Path:
    """A random Llama of one layer over eight words, with its tokenizer; `spread` bounds how sure a frozen head can be."""
    import torch
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(("<unk>", *WORDS))}, unk_token="<unk>")
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens([AddedToken(t, special=True) for t in ("<end>", "<pad>", "<user>", "<assistant>")])
    tok = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<end>", pad_token="<pad>", unk_token="<unk>")
    tok.chat_template = TEMPLATE
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(LlamaConfig(
            vocab_size=len(tok), hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
            max_position_embeddings=64, initializer_range=spread, tie_word_embeddings=False, eos_token_id=tok.eos_token_id,
            pad_token_id=tok.pad_token_id, bos_token_id=None,
        ))  # fmt: skip
    model.save_pretrained(folder, safe_serialization=True)
    tok.save_pretrained(folder)
    return folder


def prompts(count: int = 16) -> list[Prompt]:
    return [Prompt(row_id=f"q{i}", prompt=(user(f"{WORDS[i % 8]} {WORDS[i // 8 % 8]}"),)) for i in range(count)]


def first_words(folder: Path) -> dict[str, float]:
    """The probability of each word to begin an answer, averaged over the prompts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from constitutional.builtin.backends.encoding import DialogueEncoder

    tok = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        rows = [
            torch.softmax(model(torch.tensor([DialogueEncoder(tok).encode(p.prompt)])).logits[0, -1], -1)
            for p in prompts()
        ]
    mean = torch.stack(rows).mean(0)
    return {word: float(mean[tok.convert_tokens_to_ids(word)]) for word in WORDS}


def held_out(count: int = 8) -> list[Prompt]:
    """Prompts of three words."""
    return [Prompt(row_id=f"h{i}", prompt=(user(f"{WORDS[i % 8]} {WORDS[(i + 3) % 8]} {WORDS[(i + 5) % 8]}"),))
            for i in range(count)]  # fmt: skip


def ppo(**params: Any) -> PpoTrainer:
    usual = {**USUAL, "learning_rate": 1e-2, "batch_size": 32, "rollout_batch": 64, "iterations": 12, "ppo_epochs": 2,
             "kl_coefficient": 0.01}  # fmt: skip
    return PpoTrainer(PpoTrainer.Params.model_validate({**usual, **params}))


def online_dpo(**params: Any) -> OnlineDpoTrainer:
    usual = {**USUAL, "learning_rate": 1e-2, "batch_size": 32, "rollout_batch": 32, "iterations": 12, "group_size": 4}
    return OnlineDpoTrainer(OnlineDpoTrainer.Params.model_validate({**usual, **params}))


def group(trainer: type[GroupTrainer], **params: Any) -> GroupTrainer:
    usual = {**USUAL, "learning_rate": 2e-2, "batch_size": 64, "group_size": 8, "max_steps": 25, "kl_coefficient": 0.01}
    return trainer(trainer.Params.model_validate({**usual, **params}))
