"""Parameters of trainers that go in rounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field

from constitutional.api import Cosmetic
from constitutional.builtin.trainers import rl


class RoundParams(rl.RlParams):
    """Parameters of every trainer that goes in rounds of rollout and update."""

    rollout_batch: int = Field(default=64, ge=1)
    """Prompts that are answered and scored between two rounds of updates."""

    iterations: int | None = Field(default=None, ge=1)
    """Rounds of rollout and update; where left out, `epochs` passes over the prompts."""

    missing_eos_penalty: float | None = Field(default=None, ge=0)
    """Taken off the score of a completion that does not end by itself."""

    max_steps: int | None = Field(default=None, ge=1)
    """Not for trainers that go in rounds: write `iterations`."""

    report_to: Annotated[tuple[str, ...], Cosmetic()] = ()
    """Not for trainers that go in rounds: their figures are in `training_log.jsonl` and in the run's events."""

    trainer_args: dict[str, Any] = Field(default_factory=dict)
    """Not for trainers that go in rounds: they have no configuration class underneath."""

    checkpoint_every: Annotated[int, Cosmetic()] = Field(default=10, ge=1)
    """Rounds between checkpoints, to go on from after a crash."""

    def rounds(self, prompts: int) -> int:
        """How many rounds there are over so many prompts."""
        return self.iterations or max(1, round(self.epochs * prompts / self.rollout_batch))


def mistakes(name: str, params: RoundParams) -> Iterable[str]:
    """What is wrong with parameters that are each right."""
    for argument in params.trainer_args:
        yield f"`trainer_args.{argument}` is not known to {name}: the loop is our own, and all that it takes is under `with`"
    if params.max_steps is not None:
        yield f"`max_steps` counts optimiser steps; for {name} write `iterations`"
    if params.report_to:
        yield f"`report_to` is not known to {name}; its figures are in `training_log.jsonl` and in the run's events"
    yield from rl.mistakes(params)
