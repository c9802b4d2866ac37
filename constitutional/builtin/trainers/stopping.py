"""Early stopping: a held-out part is measured every few steps, and the best weights are what stays (Prechelt 1998)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from constitutional.api import StepFailed, digest
from constitutional.builtin.trainers import launch
from constitutional.builtin.trainers.parameters import EarlyStopping, FitParams, TrainerParams

#: Arguments of transformers that `early_stopping` sets.
OWN = dict.fromkeys(
    ("eval_strategy", "eval_steps", "load_best_model_at_end", "metric_for_best_model", "greater_is_better", "eval_on_start"),
    "early_stopping",
)  # fmt: skip

#: Measurements an epoch where `every` is left out.
AN_EPOCH = 10


def of(params: TrainerParams) -> EarlyStopping | None:
    return params.early_stopping if isinstance(params, FitParams) else None


def split(
    rows: list[dict[str, Any]], params: FitParams, prompt: Callable[[dict[str, Any]], Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Rows to learn from and rows to measure on, by the hash of the prompt: no prompt stands on both sides.

    Raises:
        StepFailed: if there are too few prompts for both sides.
    """
    said = of(params)
    if said is None:
        return rows, None
    places = [int(digest(["early-stopping", prompt(row)])[:12], 16) / 16**12 for row in rows]
    limit = max(said.share, min(places))
    held = [place < limit or place == min(places) for place in places]
    taught = [row for row, out in zip(rows, held, strict=True) if not out]
    if not taught:
        raise StepFailed("early_stopping", f"{len(rows)} rows are too few to hold some of them out",
                         help="more rows, or a smaller `share`")  # fmt: skip
    return taught, [row for row, out in zip(rows, held, strict=True) if out]


def arguments(params: TrainerParams, rows: int, logged: int) -> dict[str, Any]:
    """What transformers is told; checkpoints fall on measurements, so that the best of them can be had again."""
    said = of(params)
    if said is None:
        return {}
    epoch = math.ceil(rows / (params.batch_size * params.gradient_accumulation * launch.processes(params)))
    steps = params.max_steps or math.ceil(params.epochs * epoch)
    every = min(said.every or max(1, epoch // AN_EPOCH), steps)
    every = min(-(-every // logged) * logged, steps)
    return {"eval_strategy": "steps", "eval_steps": every, "save_steps": every, "load_best_model_at_end": True,
            "metric_for_best_model": "eval_loss", "greater_is_better": False}  # fmt: skip


def since_best(losses: Sequence[float], improvement: float) -> int:
    """Measurements since the loss last fell by more than `improvement` below its least value before."""
    best, since = math.inf, 0
    for loss in losses:
        if loss < best - improvement:
            best, since = loss, 0
        else:
            since += 1
    return since


def callback(said: EarlyStopping) -> Any:
    """Stops when patience is at its end.  It knows nothing but the log, so a training that goes on from a checkpoint stops
    where an undisturbed one does."""
    from transformers import TrainerCallback

    class Stop(TrainerCallback):  # type: ignore[misc]
        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
            if since_best(losses, said.min_improvement) >= said.patience:
                control.should_training_stop = True

    return Stop()


def figures(trainer: Any, held_out: Sequence[Any] | None) -> dict[str, Any]:
    """The best measurement: its step, its loss, and on how many rows."""
    if held_out is None:
        return {}
    state = trainer.state
    return {"early_stopping": {"best_step": state.best_global_step, "loss": state.best_metric, "n": len(held_out),
                               "stopped": state.global_step < state.max_steps}}  # fmt: skip


class LossAlone:
    """For trainers with a loss of their own: transformers measures none where it finds no `labels`."""

    def prediction_step(self, model: Any, inputs: Any, prediction_loss_only: bool, ignore_keys: Any = None) -> Any:
        import torch

        trainer: Any = self
        with torch.no_grad():
            loss = trainer.compute_loss(model, trainer._prepare_inputs(inputs))
        return loss.detach().mean(), None, None
