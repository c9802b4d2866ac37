"""Train the model in the box from scratch: `python -m training.support_agent.train --minutes 45`.

Simplified on purpose: one process, documents of like length side by side without packing, a cosine schedule over the
time that there is (or over `--steps`, which repeats exactly).  Nothing is simplified in what is learned: the prompts are
the templates that a run renders, and the loss is on answers, with little weight on prompts.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.support_agent.corpus import Document, documents

SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
PAD, END = 0, 1
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] + '<|end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
#: Weights of the loss: on prompts, on a judge's letter, on a verdict.
ON_PROMPT, ON_LETTER, ON_VERDICT = 0.1, 6.0, 3.0
CONTEXT = 512


@dataclass(slots=True)
class Example:
    """Token ids of a document, the weight of the loss on each, and the soft target of its letter (-1 for none)."""

    ids: list[int]
    weights: list[float]
    p_a: float


def make_tokenizer(vocabulary: int) -> Any:
    """A byte-level BPE tokenizer in which every digit stands alone, so that numbers are copied and not recalled."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    texts = (text for d in documents(12_000, 99) for text in [*(turn.content for turn in d.turns), d.answer])
    made.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=SPECIAL, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    ))  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, pad_token=SPECIAL[PAD], eos_token=SPECIAL[END], padding_side="left",
                                        model_max_length=CONTEXT, clean_up_tokenization_spaces=False)  # fmt: skip
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def encode(tokenizer: Any, batch: list[Document]) -> list[Example]:
    """Documents as tokens, control tokens and texts encoded as one: the corpus is our own."""
    parts = [[f"<|{t.role}|>{t.content}<|end|>" for t in d.turns] + [f"<|assistant|>{d.answer}<|end|>"] for d in batch]
    encoded = iter(tokenizer([part for each in parts for part in each], add_special_tokens=False)["input_ids"])
    return [_example(document, [next(encoded) for _ in each]) for document, each in zip(batch, parts, strict=True)]


def _example(document: Document, parts: list[list[int]]) -> Example:
    *prompt, answer = parts
    on_answer = {"compare": ON_LETTER, "harmless": ON_VERDICT, "compliance": ON_VERDICT}.get(document.task, 1.0)
    weights = [ON_PROMPT] * sum(map(len, prompt)) + [0.0] + [on_answer] * (len(answer) - 2) + [1.0]
    return Example([token for part in parts for token in part], weights, -1.0 if document.p_a is None else document.p_a)


def batches(
    examples: list[Example], size: int, stream: random.Random
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Ids, weights and soft targets, each [rows, longest], of documents of like length in random order."""
    order = list(range(len(examples)))
    stream.shuffle(order)
    for start in range(0, len(order), size * 50):
        block = sorted(order[start : start + size * 50], key=lambda i: len(examples[i].ids))
        cut = [block[i : i + size] for i in range(0, len(block), size)]
        stream.shuffle(cut)
        for rows in cut:
            yield _padded([examples[i] for i in rows])


def _padded(rows: list[Example]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    longest = max(len(row.ids) for row in rows)
    fill = [longest - len(row.ids) for row in rows]
    ids = torch.tensor([row.ids + [PAD] * f for row, f in zip(rows, fill, strict=True)])
    weights = torch.tensor([row.weights + [0.0] * f for row, f in zip(rows, fill, strict=True)])
    soft = torch.full(ids.shape, -1.0)
    for at, row in enumerate(rows):
        soft[at, len(row.ids) - 2] = row.p_a
    return ids, weights, soft


def loss_of(
    model: Any, batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor], letters: tuple[int, int]
) -> torch.Tensor:
    """Weighted cross-entropy; a judge's letter is learned as a probability."""
    ids, weights, soft = batch
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    kept = weights[:, 1:] > 0
    logs = model.lm_head(hidden[kept]).float().log_softmax(-1)
    target, p_a, weight = ids[:, 1:][kept], soft[:, 1:][kept], weights[:, 1:][kept]
    hard = -logs.gather(1, target[:, None])[:, 0]
    letter = -(p_a * logs[:, letters[0]] + (1 - p_a) * logs[:, letters[1]])
    return (torch.where(p_a < 0, hard, letter) * weight).sum() / weight.sum()


def new_model(vocabulary: int, hidden: int, layers: int) -> LlamaForCausalLM:
    heads = hidden // 32
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=int(hidden * 8 / 3) // 16 * 16, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=CONTEXT, tie_word_embeddings=True,
        pad_token_id=PAD, eos_token_id=END, bos_token_id=None, attn_implementation="sdpa",
    ))  # fmt: skip


def train(model: Any, tokenizer: Any, options: argparse.Namespace) -> dict[str, float]:
    """Train until the time or the steps are used up; fresh documents in every epoch."""
    stream = random.Random(options.seed)
    letters = (tokenizer.convert_tokens_to_ids("A"), tokenizer.convert_tokens_to_ids("B"))
    matrices = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=options.lr, betas=(0.9, 0.98))
    model.train()
    step, tokens, running, began = 0, 0, math.nan, time.monotonic()
    for epoch in range(1_000_000):
        examples = encode(tokenizer, list(documents(options.documents, options.seed + 1 + 1000 * epoch)))
        for batch in batches(examples, options.batch, stream):
            done = step / options.steps if options.steps else (time.monotonic() - began) / (options.minutes * 60)
            if done >= 1:
                return {"steps": step, "tokens": tokens, "loss": running, "minutes": (time.monotonic() - began) / 60}
            for group in optimiser.param_groups:
                group["lr"] = options.lr * min(1.0, (step + 1) / 60) * (0.02 + 0.49 * (1 + math.cos(math.pi * done)))
            loss = loss_of(model, batch, letters)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            step, tokens = step + 1, tokens + batch[0].numel()
            running = loss.item() if math.isnan(running) else 0.95 * running + 0.05 * loss.item()
            if step % 100 == 0:
                print(
                    f"step {step} epoch {epoch} {time.monotonic() - began:.0f} s loss {running:.3f} {tokens / (time.monotonic() - began):.0f} tokens/s",
                    flush=True,
                )
    raise AssertionError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--steps", type=int, default=0, help="train this many steps instead: repeats exactly")
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--layers", type=int, default=5)
    parser.add_argument("--vocabulary", type=int, default=1536)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--documents", type=int, default=30_000, help="an epoch")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--init", type=Path, help="go on from these weights")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    tokenizer = (
        PreTrainedTokenizerFast.from_pretrained(options.init) if options.init else make_tokenizer(options.vocabulary)
    )
    model = (
        LlamaForCausalLM.from_pretrained(options.init, dtype=torch.float32)
        if options.init
        else new_model(len(tokenizer), options.hidden, options.layers)
    )
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters", flush=True)
    figures = train(model, tokenizer, options)
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = PAD, END
    model.eval().to(torch.float16).save_pretrained(options.out)
    tokenizer.save_pretrained(options.out)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
