"""Parameters of PPO, with the defaults of the literature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from constitutional.builtin.trainers import rounds


class PpoParams(rounds.RoundParams):
    """Parameters of proximal policy optimisation."""

    ppo_epochs: int = Field(default=4, ge=1)
    """Passes over each rollout, in mini-batches of `batch_size`."""

    kl_coefficient: float = Field(default=0.05, ge=0)
    """Weight of the divergence from the reference in the reward of each token; where it begins, if it adapts."""

    kl_target: float | None = Field(default=None, gt=0)
    """Adapt the coefficient so that the divergence, in nats a completion, comes to this; fixed where left out."""

    kl_rate: float = Field(default=0.1, gt=0)
    """How fast the coefficient adapts: at most a fifth of this a round."""

    clip: float = Field(default=0.2, gt=0)
    """How far the probability ratio moves before the surrogate stops paying."""

    value_clip: float = Field(default=0.2, gt=0)
    """How far a value moves from what it was at the rollout."""

    value_coefficient: float = Field(default=0.1, ge=0)
    """Weight of the value loss."""

    entropy_coefficient: float = Field(default=0.0, ge=0)
    """Weight of an entropy bonus."""

    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount of later rewards."""

    lam: float = Field(default=0.95, ge=0, le=1)
    """Lambda of generalised advantage estimation."""

    whiten_advantages: bool = True
    """Bring the advantages of a rollout to mean zero and variance one."""

    whiten_rewards: bool = False
    """Bring the rewards of a rollout's tokens to variance one, their mean left as it is."""

    normalise_scores: bool = False
    """Standardise scores by the mean and deviation of all scores so far."""

    clip_scores: float | None = Field(default=None, gt=0)
    """Hold scores between minus this and this, after they are normalised."""

    stop_kl: float | None = Field(default=None, gt=0)
    """End the updates of a round once the policy is this far, in nats a token, from where it was at the rollout."""

    value: Literal["shared", "separate"] = "shared"
    """The value function: a head on the policy, or a model of its own that begins as the policy's body."""


def mistakes(params: PpoParams) -> Iterable[str]:
    """What is wrong with parameters that are each right."""
    yield from rounds.mistakes("ppo", params)
    if params.value == "separate" and params.lora is not None:
        yield "`value: separate` trains a second whole model; with `lora` write `value: shared`"
