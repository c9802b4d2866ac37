"""Sampling: continuations whose randomness belongs to the row.

Each row draws one uniform number a token from a stream of its own and takes the token at which the cumulative
probability, in the order of the vocabulary, passes it.  So the same row gives the same text alone and in any company, up
to the floating-point noise of batched kernels.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from constitutional.api import Completion, Request


@dataclass(slots=True)
class Row:
    """One request on its way."""

    request: Request
    ids: list[int]
    stream: random.Random = field(init=False)
    made: list[int] = field(default_factory=list)
    finished: str | None = None

    def __post_init__(self) -> None:
        self.stream = random.Random(self.request.seed or 0)


def left_padded(rows: Sequence[Sequence[int]], pad: int, device: str) -> tuple[Any, Any]:
    """Token ids and attention mask, both [rows, longest], padded on the left."""
    import torch

    longest = max(len(ids) for ids in rows)
    ids = torch.tensor([[pad] * (longest - len(row)) + list(row) for row in rows], device=device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


def positions(mask: Any) -> Any:
    """Position ids [rows, tokens] that start at 0 where the padding ends."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def next_tokens(logits: Any, rows: Sequence[Row]) -> list[int]:
    """One token a row from logits [rows, vocabulary]."""
    import torch

    greedy = logits.argmax(-1).tolist()
    drawn = [index for index, row in enumerate(rows) if row.request.temperature > 0]
    if not drawn:
        return [int(token) for token in greedy]
    temperature = torch.tensor([rows[i].request.temperature for i in drawn], device=logits.device, dtype=torch.float64)
    probabilities = torch.softmax(logits[drawn].double() / temperature[:, None], dim=-1)
    probabilities = _nucleus(probabilities, [rows[i].request.top_p for i in drawn])
    cumulative = probabilities.cumsum(-1)
    uniform = torch.tensor([rows[i].stream.random() for i in drawn], device=logits.device, dtype=torch.float64)
    chosen = torch.searchsorted(cumulative, (uniform * cumulative[:, -1])[:, None], right=True)[:, 0]
    for index, token in zip(drawn, chosen.clamp(max=logits.shape[-1] - 1).tolist(), strict=True):
        greedy[index] = token
    return [int(token) for token in greedy]


def _nucleus(probabilities: Any, top_p: Sequence[float]) -> Any:
    """Zero all but the smallest set of tokens whose probability reaches `top_p` (Holtzman et al. 2020)."""
    import torch

    if all(p >= 1 for p in top_p):
        return probabilities
    ordered, order = probabilities.sort(dim=-1, descending=True, stable=True)
    limit = torch.tensor(top_p, device=probabilities.device, dtype=probabilities.dtype)[:, None]
    kept = (ordered.cumsum(-1) - ordered) < limit
    mask = torch.zeros_like(kept).scatter(-1, order, kept)
    return probabilities * mask


def generate(model: Any, encoder: Any, rows: Sequence[Row], *, pad: int, ends: frozenset[int]) -> list[Completion]:
    """Continue every row until it ends; rows that have ended leave the batch."""
    import torch

    with torch.inference_mode():
        _decode(model, encoder, list(rows), pad, ends)
    return [_completion(encoder, row, ends) for row in rows]


def _decode(model: Any, encoder: Any, rows: list[Row], pad: int, ends: frozenset[int]) -> None:
    import torch

    ids, mask = left_padded([row.ids for row in rows], pad, str(model.device))
    place = positions(mask)
    cache: Any = None
    while rows:
        said = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=place,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = said.past_key_values
        for row, token in zip(rows, next_tokens(said.logits[:, -1], rows), strict=True):
            _take(encoder, row, token, ends)
        keep = [index for index, row in enumerate(rows) if row.finished is None]
        if len(keep) < len(rows):
            chosen = torch.tensor(keep, device=mask.device, dtype=torch.long)
            cache.batch_select_indices(chosen)
            mask, place, rows = mask[chosen], place[chosen], [rows[index] for index in keep]
        ids = torch.tensor([[row.made[-1]] for row in rows], device=mask.device)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=-1)
        place = place[:, -1:] + 1


def _take(encoder: Any, row: Row, token: int, ends: frozenset[int]) -> None:
    row.made.append(token)
    if token in ends or (row.request.stop and _stopped(encoder, row)):
        row.finished = "stop"
    elif len(row.made) >= row.request.max_new_tokens:
        row.finished = "length"


def _stopped(encoder: Any, row: Row) -> bool:
    text = encoder.decode(row.made)
    return any(stop in text for stop in row.request.stop)


def _completion(encoder: Any, row: Row, ends: frozenset[int]) -> Completion:
    text = encoder.decode([token for token in row.made if token not in ends])
    text = text[: min((text.find(stop) for stop in row.request.stop if stop in text), default=None)]
    return Completion(text.strip(), row.finished or "length", len(row.ids), len(row.made))
