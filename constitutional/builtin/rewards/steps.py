"""Steps of a solution: how they are told apart, encoded and scored."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Literal

from constitutional.api import Messages, UserError
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Metas, Scored, finite
from constitutional.builtin.rewards.weights import load_classifier, right_padded, separator_of


def split_steps(text: str, separator: str) -> list[str]:
    """The steps of a solution; blank ones are none."""
    return [step.strip() for step in text.split(separator) if step.strip()]


def encode_steps(
    encoder: DialogueEncoder, prompt: Messages, steps: Sequence[str], separator: str
) -> tuple[list[int], list[int]]:
    """Token ids of a prompt and its steps, and the place of the separator after each step, where its verdict is read."""
    ids = encoder.encode(prompt)
    mark = encoder.text(separator)
    if not mark:
        raise UserError(f"the separator of steps {separator!r} is no token for this tokenizer")
    places = []
    for step in steps:
        ids = [*ids, *encoder.text(step), *mark]
        places.append(len(ids) - 1)
    return ids, places


class ProcessScorer:
    """The reward of a process reward model: over the probabilities that each step is right, the least or the product.

    The product is the probability that every step is right (Lightman et al. 2023, arXiv 2305.20050, section 2.6 and
    appendix F, which compares both).
    """

    def __init__(
        self, folder: Path, *, combine: Literal["min", "product"] = "min", batch: int = 16, max_length: int = 1024
    ) -> None:
        self._model, tokenizer = load_classifier(folder, "AutoModelForTokenClassification", 2)
        self._separator = separator_of(folder)
        self._encoder = DialogueEncoder(tokenizer)
        self._pad = int(tokenizer.pad_token_id)
        self._combine = min if combine == "min" else prod
        self._batch = batch
        room = getattr(self._model.config, "max_position_embeddings", None)
        self._max_length = min(max_length, room) if room else max_length

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        found: list[Scored] = [Scored(None, "empty")] * len(dialogues)
        fitting = []
        for index, dialogue in enumerate(dialogues):
            steps = split_steps(dialogue[-1].content, self._separator) if dialogue else []
            if not steps or dialogue[-1].role != "assistant":
                continue
            try:
                ids, places = encode_steps(self._encoder, dialogue[:-1], steps, self._separator)
            except UserError:
                found[index] = Scored(None, "template")
                continue
            if len(ids) > self._max_length:
                found[index] = Scored(None, "too-long")
            else:
                fitting.append((index, ids, places))
        fitting.sort(key=lambda one: len(one[1]))
        for start in range(0, len(fitting), self._batch):
            chunk = fitting[start : start + self._batch]
            right = self.step_probabilities([(ids, places) for _, ids, places in chunk])
            for (index, _, _), probabilities in zip(chunk, right, strict=True):
                found[index] = finite(float(self._combine(probabilities)))
        return found

    def step_probabilities(self, rows: Sequence[tuple[list[int], list[int]]]) -> list[list[float]]:
        """For each row of token ids and places of separators, the probability that each step is right."""
        import torch

        ids, mask = right_padded([ids for ids, _ in rows], self._pad, self._model.device)
        with torch.inference_mode():
            said = self._model(input_ids=ids, attention_mask=mask, use_cache=False)
        right = torch.softmax(said.logits.float(), dim=-1)[..., 1]
        return [right[row, places].tolist() for row, (_, places) in enumerate(rows)]
