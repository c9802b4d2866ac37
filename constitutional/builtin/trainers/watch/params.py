"""What to watch, what to stop at, and which weights to keep."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from constitutional.api import Params
from constitutional.builtin.rewards.expression import Reward, ensembles


class StopWhen(Params):
    """Limits on what is measured on the held-out prompts; the training stops beyond any that is given."""

    gold_drops: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The gold reward is at least this far below its best so far, on the same prompts."""

    kl_above: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The divergence from the reference is larger, in nats an answer."""

    length_above: float | None = Field(default=None, gt=1, allow_inf_nan=False)
    """Answers are longer than this many times their mean length at the start."""

    repetition_above: float | None = Field(default=None, gt=0, lt=1)
    """A larger share of an answer's word triples has come before in it."""

    entropy_below: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The entropy of the next token is smaller, in nats."""

    format_drifts: float | None = Field(default=None, gt=0, lt=1)
    """The share of answers with lists, bold, headings or hedges has moved further than this since the start."""

    disagreement_above: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The members of the reward's ensemble deviate more from each other, in the unit of their scores."""


class Watch(Params):
    """Measure the policy on the prompts at `held_out` while it learns."""

    gold: Reward | None = None
    """A second reward that is not learned from: an expression as in `reward`, over the same connected models."""

    every: int = Field(default=10, ge=1)
    """Steps between measurements: rounds for ppo and online-dpo, optimiser steps for the others.  The start and the end are
    measured, too."""

    prompts: int = Field(default=32, ge=2)
    """The most held-out prompts that are answered at each; the first ones."""

    stop_when: StopWhen = StopWhen()
    """When to stop before the end."""

    patience: int = Field(default=1, ge=1)
    """Measurements in a row that must be beyond a limit before the training stops."""

    keep: Literal["best", "last"] | None = None
    """The weights that the step leaves: those where the gold reward was highest, or the last; `best` where there is one."""

    @property
    def keeps_best(self) -> bool:
        return self.keep == "best" or (self.keep is None and self.gold is not None)


def mistakes(watch: Watch, reward: Reward | None) -> Iterator[str]:
    """What is wrong between parts of a watch, and with the reward that is learned from."""
    if watch.gold is None and watch.stop_when.gold_drops is not None:
        yield "`stop_when.gold_drops` needs `watch.gold`, a reward that is not learned from"
    if watch.gold is None and watch.keep == "best":
        yield "`watch.keep: best` needs `watch.gold`: it is what best is measured by"
    if watch.gold is not None and watch.gold == reward:
        yield "`watch.gold` is the reward that is learned from: it can tell nothing that the reward does not"
    if watch.stop_when.disagreement_above is not None and (reward is None or not any(ensembles(reward))):
        yield "`stop_when.disagreement_above` needs an `ensemble` in the reward"
