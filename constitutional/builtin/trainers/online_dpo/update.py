"""Updates: passes of mini-batches over the pairs of one round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.builtin.math import losses as formulas
from constitutional.builtin.trainers.online_dpo.pairs import Chosen
from constitutional.builtin.trainers.online_dpo.params import OnlineDpoParams
from constitutional.builtin.trainers.rounds.optimiser import Optimiser, mini_batches, steps_over, take_step
from constitutional.builtin.trainers.rounds.policy import Batch, Policy

PATH = "trainer/online-dpo"
LOSSES: dict[str, Callable[..., Any]] = {"sigmoid": formulas.dpo, "ipo": formulas.ipo}


@dataclass(frozen=True, slots=True)
class Lesson:
    """A round's answers as tensors, the reference's log-probabilities of them [rows, completion], and the pairs."""

    batch: Batch
    reference: Any
    pairs: Sequence[Chosen]


def steps_a_round(params: OnlineDpoParams) -> int:
    """Optimiser steps of a round in which every prompt gives a pair."""
    return params.updates * steps_over(params.rollout_batch, params)


def update(
    models: Policy, lesson: Lesson, optimiser: Optimiser, params: OnlineDpoParams, seed: int, round: int
) -> dict[str, float]:
    """Learn from the pairs of a round; the means over them of what was measured on the way.  No pairs, no step.

    The gradient of a step is that of the mean loss over its pairs, however they fall into mini-batches.

    Raises:
        StepFailed: if the loss is not a number.
    """
    learned = list(models.learned().values())
    models.learning(params.gradient_checkpointing)
    found: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    first = step = round * steps_a_round(params)
    for turn in range(params.updates):
        for group in mini_batches(len(lesson.pairs), params, seed, PATH, f"{round} {turn}"):
            together = sum(map(len, group))
            for rows in group:
                loss, measured = losses(models, lesson, [lesson.pairs[row] for row in rows], params)
                (loss * (len(rows) / together)).backward()
                for name, value in measured.items():
                    found[name].append((value, len(rows)))
            norm = take_step("online-dpo", learned, optimiser, params, step, found["loss"][-1][0])
            found["grad_norm"].append((norm, together))
            step += 1
    means = {name: sum(v * n for v, n in values) / sum(n for _, n in values) for name, values in found.items()}
    return means | {"updates": float(step - first)}


def losses(
    models: Policy, lesson: Lesson, pairs: Sequence[Chosen], params: OnlineDpoParams
) -> tuple[Any, dict[str, float]]:
    """The loss on some pairs, a scalar, and what there is to say of them.

    Log-probabilities are sums over an answer's tokens; for IPO means, as in `math.losses`.
    """
    import torch

    device = lesson.batch.mask.device
    rows = torch.tensor([*(one.chosen for one in pairs), *(one.rejected for one in pairs)], device=device)
    part = lesson.batch.part(rows)
    now, mean = models.read(part, params.temperature, entropies=False), params.loss == "ipo"
    chosen, rejected = of_answers(now.logps, part.mask, mean=mean).chunk(2)
    reference_chosen, reference_rejected = of_answers(lesson.reference[rows], part.mask, mean=mean).chunk(2)
    p_chosen = torch.tensor([one.p_chosen for one in pairs], device=device)
    loss = LOSSES[params.loss](chosen, rejected, reference_chosen, reference_rejected, p_chosen, beta=params.beta)
    moved = ((chosen - reference_chosen) - (rejected - reference_rejected)).detach()
    return loss, {"loss": float(loss.detach()), "margin": float(moved.mean()),
                  "accuracy": float((moved > 0).float().mean())}  # fmt: skip


def of_answers(logps: Any, mask: Any, *, mean: bool) -> Any:
    """Log-probability of each answer, [rows]: the sum, or the mean, over its tokens."""
    total = (logps * mask).sum(-1)
    return total / mask.sum(-1).clamp(min=1) if mean else total
