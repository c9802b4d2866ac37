"""What trainers by reinforcement learning share: prompts, the reward, and what is said of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from constitutional.api import Inputs, PolicyModel, Port, Prompt, StepFailed, UserError
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Missing
from constitutional.builtin.rewards.wiring import TAKES as REWARDED
from constitutional.builtin.rewards.wiring import ScoringParams, scorer_of, seen, wired
from constitutional.builtin.trainers.parameters import TrainerParams

__all__ = ["TAKES", "RlParams", "reward_figure", "scorer_of", "seen", "usable_prompts", "wired"]

TAKES: Mapping[str, Port] = {
    "model": Port(PolicyModel, about="the policy to start from"),
    "prompts": Port(Prompt, many=True, about="what the policy answers while it learns"),
    **REWARDED,
}


class RlParams(TrainerParams, ScoringParams):
    """Parameters of every trainer by reinforcement learning."""

    max_new_tokens: int = Field(default=128, ge=1)
    """The most tokens of a completion."""

    temperature: float = Field(default=1.0, gt=0)
    """Temperature of sampling, and of the probabilities that are learned."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak learning rate of AdamW."""


def usable_prompts(
    inputs: Inputs, encoder: DialogueEncoder, params: RlParams
) -> tuple[list[tuple[Prompt, list[int]]], dict[str, int]]:
    """Prompts with their tokens that leave room for a completion, and counts of the others by reason.

    Raises:
        StepFailed: if none is left.
    """
    dropped: Counter[str] = Counter()
    kept = []
    for row in inputs.rows("prompts"):
        try:
            ids = encoder.encode(row.prompt)
        except UserError:
            dropped["template"] += 1
            continue
        if len(ids) + params.max_new_tokens > params.max_length:
            dropped["too-long"] += 1
        else:
            kept.append((row, ids))
    if not kept:
        raise StepFailed("prompts", f"no prompt is left to learn from ({dict(dropped) or 'there were none'})")
    return kept, dropped


def reward_figure(scores: Sequence[float], missing: Missing, seed: int) -> Any:
    """The mean score of the last batch with its n and interval, and all completions that had none, by reason."""
    from constitutional.builtin.math import figures

    return figures.average(list(scores), figures.generator(seed, "reward"), unscored=missing.counts())
