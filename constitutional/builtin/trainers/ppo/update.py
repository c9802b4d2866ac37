"""Updates: several passes of mini-batches over one rollout."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from constitutional.api import StepFailed, row_random
from constitutional.builtin.math import gae, ppo
from constitutional.builtin.trainers.ppo.actor import Actor
from constitutional.builtin.trainers.ppo.advantages import Experience
from constitutional.builtin.trainers.ppo.params import PpoParams


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW over what is learned, and the share of the learning rate that each step gets."""

    adam: Any
    share: Callable[[int], float]


def optimiser(actor: Actor, params: PpoParams, steps: int) -> Optimiser:
    """An optimiser for a training of `steps` steps."""
    import torch
    from transformers import get_scheduler

    adam = torch.optim.AdamW(list(actor.learned().values()), lr=params.learning_rate, weight_decay=params.weight_decay)
    warmup = int(params.warmup * steps) if params.warmup < 1 else int(params.warmup)
    blank = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_scheduler(params.scheduler, blank, num_warmup_steps=warmup, num_training_steps=steps)
    return Optimiser(adam, schedule.lr_lambdas[0])


def steps_a_round(params: PpoParams) -> int:
    """Optimiser steps of one round that is not cut short."""
    batches = -(-params.rollout_batch // params.batch_size)
    return params.ppo_epochs * -(-batches // params.gradient_accumulation)


def update(
    actor: Actor, experience: Experience, optimiser: Optimiser, params: PpoParams, seed: int, round: int
) -> dict[str, float]:
    """Learn from a rollout; the means of what was measured on the way.

    Raises:
        StepFailed: if the loss is not a number.
    """
    import torch

    actor.learning(params.gradient_checkpointing)
    found: defaultdict[str, list[float]] = defaultdict(list)
    step = round * steps_a_round(params)
    for epoch in range(params.ppo_epochs):
        for group in _groups(len(experience.mask), params, seed, f"{round} {epoch}"):
            for rows in group:
                part = torch.tensor(rows, device=experience.mask.device)
                loss, measured = losses(actor, experience, part, params)
                (loss / len(group)).backward()
                for name, value in measured.items():
                    found[name].append(value)
            _step(actor, optimiser, params, step, found)
            step += 1
        if params.stop_kl is not None and found["update_kl"][-1] > params.stop_kl:
            break
    return {name: sum(values) / len(values) for name, values in found.items()} | {"epochs": epoch + 1.0}


def losses(actor: Actor, experience: Experience, rows: Any, params: PpoParams) -> tuple[Any, dict[str, float]]:
    """The loss of PPO on some rows, a scalar, and what it is made of."""
    mask, old = experience.mask[rows], experience.logps[rows]
    now = actor.read(experience.batch.part(rows), params.temperature, params.entropy_coefficient > 0)
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


def _groups(rows: int, params: PpoParams, seed: int, turn: str) -> Iterator[list[list[int]]]:
    """Mini-batches in a random order, as many together as make an optimiser step."""
    order = list(range(rows))
    row_random(seed, "trainer/ppo", f"mini-batches {turn}").shuffle(order)
    batches = [order[start : start + params.batch_size] for start in range(0, rows, params.batch_size)]
    for start in range(0, len(batches), params.gradient_accumulation):
        yield batches[start : start + params.gradient_accumulation]


def _step(
    actor: Actor, optimiser: Optimiser, params: PpoParams, step: int, found: defaultdict[str, list[float]]
) -> None:
    import torch

    norm = float(torch.nn.utils.clip_grad_norm_(list(actor.learned().values()), params.max_grad_norm))
    if not math.isfinite(norm) or not math.isfinite(found["loss"][-1]):
        raise StepFailed("ppo", "the loss is not a number", help="a smaller learning rate, or float32")
    found["grad_norm"].append(norm)
    for group in optimiser.adam.param_groups:
        group["lr"] = params.learning_rate * optimiser.share(step)
    optimiser.adam.step()
    optimiser.adam.zero_grad(set_to_none=True)
