"""Parameters of PPO, with the defaults of the literature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from constitutional.api import Cosmetic
from constitutional.builtin.trainers import adapters
from constitutional.builtin.trainers.rl import RlParams


class PpoParams(RlParams):
    """Parameters of proximal policy optimisation."""

    rollout_batch: int = Field(default=64, ge=1)
    """Prompts that are answered and scored between two rounds of updates."""

    iterations: int | None = Field(default=None, ge=1)
    """Rounds of rollout and update; where left out, `epochs` passes over the prompts."""

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

    missing_eos_penalty: float | None = Field(default=None, ge=0)
    """Taken off the score of a completion that does not end by itself."""

    stop_kl: float | None = Field(default=None, gt=0)
    """End the updates of a round once the policy is this far, in nats a token, from where it was at the rollout."""

    value: Literal["shared", "separate"] = "shared"
    """The value function: a head on the policy, or a model of its own that begins as the policy's body."""

    checkpoint_every: Annotated[int, Cosmetic()] = Field(default=10, ge=1)
    """Rounds between checkpoints, to go on from after a crash."""


def mistakes(params: PpoParams) -> Iterable[str]:
    """What is wrong with parameters that are each right."""
    for name in params.trainer_args:
        yield f"`trainer_args.{name}` is not known to ppo: the loop is our own, and all that it takes is under `with`"
    if params.max_steps is not None:
        yield "`max_steps` counts optimiser steps; for ppo write `iterations`"
    if params.report_to:
        yield "`report_to` is not known to ppo; its figures are in `training_log.jsonl` and in the run's events"
    yield from adapters.mistakes(params.lora)
    if params.value == "separate" and params.lora is not None:
        yield "`value: separate` trains a second whole model; with `lora` write `value: shared`"
    if params.max_new_tokens >= params.max_length:
        yield "`max_new_tokens` leaves no room for a prompt within `max_length`"
