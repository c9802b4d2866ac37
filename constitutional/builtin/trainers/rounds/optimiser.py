"""AdamW for a loop of our own: its schedule, its steps, and mini-batches in a random order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.api import StepFailed, row_random
from constitutional.builtin.trainers.rounds.params import RoundParams


@dataclass(frozen=True, slots=True)
class Optimiser:
    """AdamW over what is learned, and the share of the learning rate that each step gets."""

    adam: Any
    share: Callable[[int], float]


def optimiser(learned: Sequence[Any], params: RoundParams, steps: int) -> Optimiser:
    """An optimiser for a training of `steps` steps."""
    import torch
    from transformers import get_scheduler

    adam = torch.optim.AdamW(list(learned), lr=params.learning_rate, weight_decay=params.weight_decay)
    warmup = int(params.warmup * steps) if params.warmup < 1 else int(params.warmup)
    blank = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_scheduler(params.scheduler, blank, num_warmup_steps=warmup, num_training_steps=steps)
    return Optimiser(adam, schedule.lr_lambdas[0])


def steps_over(rows: int, params: RoundParams) -> int:
    """Optimiser steps of one pass over so many rows."""
    return -(-rows // (params.batch_size * params.gradient_accumulation))


def mini_batches(rows: int, params: RoundParams, seed: int, path: str, turn: str) -> Iterator[list[list[int]]]:
    """Mini-batches in a random order, as many together as make an optimiser step."""
    order = list(range(rows))
    row_random(seed, path, f"mini-batches {turn}").shuffle(order)
    batches = [order[start : start + params.batch_size] for start in range(0, rows, params.batch_size)]
    for start in range(0, len(batches), params.gradient_accumulation):
        yield batches[start : start + params.gradient_accumulation]


def take_step(
    name: str, learned: Sequence[Any], optimiser: Optimiser, params: RoundParams, step: int, loss: float
) -> float:
    """Move by what the gradients say; their norm before it was clipped.

    Raises:
        StepFailed: if the loss, or the norm, is not a number.
    """
    import torch

    norm = float(torch.nn.utils.clip_grad_norm_(list(learned), params.max_grad_norm))
    if not math.isfinite(norm) or not math.isfinite(loss):
        raise StepFailed(name, "the loss is not a number", help="a smaller learning rate, or float32")
    for group in optimiser.adam.param_groups:
        group["lr"] = params.learning_rate * optimiser.share(step)
    optimiser.adam.step()
    optimiser.adam.zero_grad(set_to_none=True)
    return norm
