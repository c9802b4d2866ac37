"""Scoring: log-probabilities of whole option strings, with one forward pass a prompt.

The prompt is read once; its cache is then shared by all options that are longer than one token.  An option is its own
tokens and nothing more, unless one option begins another ("1" and "10"): then the end of the turn belongs to each, since
the probability of "1" would otherwise contain that of "10".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constitutional.api import Choice
from constitutional.builtin.backends.sampling import left_padded, positions

#: Digits kept: more than batched kernels agree on in float32.
DIGITS = 6


def option_ids(encoder: Any, options: Sequence[str], end: int) -> list[list[int]]:
    """Token ids of each option."""
    made = [encoder.text(option) for option in options]
    nested = any(a is not b and b[: len(a)] == a for a in made for b in made)
    return [[*ids, end] for ids in made] if nested else made


def score(
    model: Any, prompts: Sequence[Sequence[int]], options: Sequence[Sequence[Sequence[int]]], *, pad: int
) -> list[Choice]:
    """Log-probabilities of each prompt's options, natural, rounded to `DIGITS`.

    `options[i]` are the token ids of the options of prompt i.
    """
    import torch

    with torch.inference_mode():
        ids, mask = left_padded(prompts, pad, str(model.device))
        place = positions(mask)
        said = model(input_ids=ids, attention_mask=mask, position_ids=place, use_cache=True, logits_to_keep=1)
        first = _log_softmax(said.logits[:, -1])
        totals = [[float(first[row, tokens[0]]) for tokens in choices] for row, choices in enumerate(options)]
        _add_rest(model, said.past_key_values, mask, place, options, totals, pad)
    return [
        Choice(tuple(round(value, DIGITS) for value in row), len(prompt))
        for row, prompt in zip(totals, prompts, strict=True)
    ]


def _add_rest(
    model: Any,
    cache: Any,
    mask: Any,
    place: Any,
    options: Sequence[Sequence[Sequence[int]]],
    totals: list[list[float]],
    pad: int,
) -> None:
    """Add the log-probabilities of second and later tokens, all options of all prompts in one pass."""
    import torch

    longer = [
        (row, index, tokens)
        for row, choices in enumerate(options)
        for index, tokens in enumerate(choices)
        if len(tokens) > 1
    ]
    if not longer:
        return
    cache.batch_select_indices(torch.tensor([row for row, _, _ in longer], device=mask.device))
    width = max(len(tokens) for _, _, tokens in longer) - 1
    ids = torch.tensor(
        [[*tokens[:-1], *[pad] * (width - len(tokens) + 1)] for _, _, tokens in longer], device=mask.device
    )
    fed = torch.tensor(
        [[1] * (len(tokens) - 1) + [0] * (width - len(tokens) + 1) for _, _, tokens in longer], device=mask.device
    )
    rows = torch.tensor([row for row, _, _ in longer], device=mask.device)
    steps = torch.arange(1, width + 1, device=mask.device)
    said = model(
        input_ids=ids,
        attention_mask=torch.cat([mask[rows], fed], dim=-1),
        position_ids=place[rows][:, -1:] + steps,
        past_key_values=cache,
    )
    logs = _log_softmax(said.logits)
    for at, (row, index, tokens) in enumerate(longer):
        totals[row][index] += sum(float(logs[at, step, token]) for step, token in enumerate(tokens[1:]))


def _log_softmax(logits: Any) -> Any:
    import torch

    return torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=-1)
