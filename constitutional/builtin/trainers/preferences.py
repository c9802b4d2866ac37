"""Preferences as tokens, for the trainers that learn from pairs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from constitutional.api import Inputs, Preference, StepFailed
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.trainers import tokens


def pairs(
    inputs: Inputs, encoder: DialogueEncoder, max_length: int, soft: bool
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Rows with `prompt_ids`, `chosen_ids`, `rejected_ids` (the last two without the prompt) and `p_chosen`.

    Raises:
        StepFailed: if nothing is left.
    """
    dropped: Counter[str] = Counter()
    rows = [
        {"row_id": row.row_id, "prompt_ids": chosen.prompt, "chosen_ids": chosen.completion,
         "rejected_ids": rejected.completion, "p_chosen": float(row.p_chosen) if soft else 1.0}
        for row, (chosen, rejected) in tokens.usable(encoder, inputs.rows("preferences"), answers, max_length, dropped)
    ]  # fmt: skip
    if not rows:
        raise StepFailed("preferences", f"no preference is left to train on ({dict(dropped) or 'there were none'})")
    return rows, dropped


def prompt_of(row: dict[str, Any]) -> list[int]:
    """The tokens of a row's prompt."""
    return list(row["prompt_ids"])


def answers(row: Preference) -> tuple[str, str]:
    """Both answers, the chosen one first."""
    return row.chosen, row.rejected
