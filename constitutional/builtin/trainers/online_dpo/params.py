"""Parameters of online DPO."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from constitutional.builtin.trainers import rounds


class OnlineDpoParams(rounds.RoundParams):
    """Parameters of direct preference optimisation on fresh answers."""

    rollout_batch: int = Field(default=16, ge=1)
    """Prompts that are answered and scored between two rounds of updates; as many as `batch_size` times
    `gradient_accumulation`, and every step learns from what the policy says just then."""

    group_size: int = Field(default=2, ge=2)
    """Answers to each prompt; the best and the worst of them make the pair."""

    batch_size: int = Field(default=16, ge=1)
    """Pairs a step."""

    updates: int = Field(default=1, ge=1)
    """Passes over the pairs of a round."""

    beta: float = Field(default=0.1, gt=0)
    """How far the policy may move from the reference: small moves far."""

    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    """The loss on the log-ratio: DPO's own, or IPO's."""

    label_temperature: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Learn p = sigmoid(difference of the scores / this) as the probability of the better answer; where left out, every
    label counts as certain."""

    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """The chance that a label is the wrong way round: p becomes (1 - this) p + this (1 - p)."""

    tie_margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Scores that differ by no more than this are a tie, which teaches nothing."""

    learning_rate: float = Field(default=5e-7, gt=0)
    """Peak learning rate of AdamW."""


def mistakes(params: OnlineDpoParams) -> Iterable[str]:
    """What is wrong with parameters that are each right."""
    yield from rounds.mistakes("online-dpo", params)
    if params.rollout_batch < params.batch_size:
        yield (f"`batch_size` counts pairs, of which a prompt gives one: {params.batch_size} are more than the "
               f"{params.rollout_batch} of `rollout_batch`")  # fmt: skip
