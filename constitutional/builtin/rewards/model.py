"""One reward model: its own tokenizer, its own limit, its own batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from constitutional.api import Messages, UserError
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Metas, Scored, finite
from constitutional.builtin.rewards.weights import load_classifier, right_padded


class ModelScorer:
    """The reward of a sequence classifier with one output, for dialogues encoded as it was trained on them.

    A dialogue that is longer than `max_length` tokens of the reward model's own tokenizer has no score: cut off, it
    would be another dialogue.
    """

    def __init__(self, folder: Path, *, batch: int = 16, max_length: int = 1024) -> None:
        self._model, tokenizer = load_classifier(folder, "AutoModelForSequenceClassification", 1)
        self._encoder = DialogueEncoder(tokenizer)
        self._pad = int(tokenizer.pad_token_id)
        self._batch = batch
        room = getattr(self._model.config, "max_position_embeddings", None)
        self._max_length = min(max_length, room) if room else max_length

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        found: list[Scored | None] = [None] * len(dialogues)
        fitting: list[tuple[int, list[int]]] = []
        for index, dialogue in enumerate(dialogues):
            ids, problem = encoded(self._encoder, dialogue, self._max_length)
            if ids is None:
                found[index] = Scored(None, problem)
            else:
                fitting.append((index, ids))
        fitting.sort(key=lambda one: len(one[1]))
        for start in range(0, len(fitting), self._batch):
            chunk = fitting[start : start + self._batch]
            for (index, _), value in zip(chunk, self._values([ids for _, ids in chunk]), strict=True):
                found[index] = finite(value)
        return [one for one in found if one is not None]

    def _values(self, rows: list[list[int]]) -> list[float]:
        import torch

        ids, mask = right_padded(rows, self._pad, self._model.device)
        with torch.inference_mode():
            said: Any = self._model(input_ids=ids, attention_mask=mask, use_cache=False)
        values: list[float] = said.logits.squeeze(-1).float().tolist()
        return values


def encoded(encoder: DialogueEncoder, dialogue: Messages, max_length: int) -> tuple[list[int] | None, str]:
    """Token ids of a dialogue that ends with an answer, or None with the reason."""
    if not dialogue or dialogue[-1].role != "assistant" or not dialogue[-1].content.strip():
        return None, "empty"
    try:
        ids = encoder.encode(dialogue, reply=False)
    except UserError:
        return None, "template"
    return (ids, "") if len(ids) <= max_length else (None, "too-long")
