"""Updates: several passes of mini-batches over one rollout."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from constitutional.builtin.math import gae, ppo
from constitutional.builtin.trainers.ppo.actor import Actor
from constitutional.builtin.trainers.ppo.advantages import Experience
from constitutional.builtin.trainers.ppo.params import PpoParams
from constitutional.builtin.trainers.rounds.optimiser import Optimiser, mini_batches, steps_over, take_step

PATH = "trainer/ppo"


def steps_a_round(params: PpoParams) -> int:
    """Optimiser steps of one round that is not cut short."""
    return params.ppo_epochs * steps_over(params.rollout_batch, params)


def update(
    actor: Actor, experience: Experience, optimiser: Optimiser, params: PpoParams, seed: int, round: int
) -> dict[str, float]:
    """Learn from a rollout; the means of what was measured on the way.

    Raises:
        StepFailed: if the loss is not a number.
    """
    import torch

    learned = list(actor.learned().values())
    actor.learning(params.gradient_checkpointing)
    found: defaultdict[str, list[float]] = defaultdict(list)
    step = round * steps_a_round(params)
    for epoch in range(params.ppo_epochs):
        for group in mini_batches(len(experience.mask), params, seed, PATH, f"{round} {epoch}"):
            for rows in group:
                part = torch.tensor(rows, device=experience.mask.device)
                loss, measured = losses(actor, experience, part, params)
                (loss / len(group)).backward()
                for name, value in measured.items():
                    found[name].append(value)
            found["grad_norm"].append(take_step("ppo", learned, optimiser, params, step, found["loss"][-1]))
            step += 1
        if params.stop_kl is not None and found["update_kl"][-1] > params.stop_kl:
            break
    return {name: sum(values) / len(values) for name, values in found.items()} | {"epochs": epoch + 1.0}


def losses(actor: Actor, experience: Experience, rows: Any, params: PpoParams) -> tuple[Any, dict[str, float]]:
    """The loss of PPO on some rows, a scalar, and what it is made of."""
    mask, old = experience.mask[rows], experience.logps[rows]
    now = actor.valued(experience.batch.part(rows), params.temperature, params.entropy_coefficient > 0)
    policy, clipped = ppo.clipped_surrogate(now.logps, old, experience.advantages[rows], mask, clip=params.clip)
    value, value_clipped = ppo.clipped_value_loss(
        now.values, experience.values[rows], experience.returns[rows], mask, clip=params.value_clip
    )
    entropy = gae.masked_mean(now.entropy, mask)
    loss = policy + params.value_coefficient * value - params.entropy_coefficient * entropy
    measured = {"loss": loss, "policy_loss": policy, "value_loss": value, "entropy": entropy, "clip_fraction": clipped,
                "value_clip_fraction": value_clipped,
                "update_kl": ppo.small_divergence(old, now.logps, mask)}  # fmt: skip
    return loss, {name: float(one.detach()) for name, one in measured.items()}
