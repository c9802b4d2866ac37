"""The trainer: rounds of rollout, advantages and updates.

TRL has no PPO trainer any more, so the loop is our own, on one device; every formula is a function of `builtin.math`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from constitutional.api import Inputs
from constitutional.builtin.math.ppo import adapted
from constitutional.builtin.trainers import training
from constitutional.builtin.trainers.ppo.actor import Actor
from constitutional.builtin.trainers.ppo.advantages import experience
from constitutional.builtin.trainers.ppo.params import PpoParams, mistakes
from constitutional.builtin.trainers.ppo.update import steps_a_round, update
from constitutional.builtin.trainers.rounds import RoundTrainer
from constitutional.builtin.trainers.rounds.checkpoint import State
from constitutional.builtin.trainers.rounds.optimiser import Optimiser
from constitutional.builtin.trainers.rounds.policy import loaded
from constitutional.builtin.trainers.rounds.rollout import Sample, Speaker


class PpoTrainer(RoundTrainer):
    """Optimise a policy against a reward by proximal policy optimisation: the RL step of Constitutional AI.

    Bai et al. 2022 (arXiv 2212.08073), section 4, with the method of Schulman et al. 2017 (arXiv 1707.06347) and the
    penalty on the divergence from the reference of Ziegler et al. 2019 (arXiv 1909.08593).
    """

    name, version = "ppo", 1
    Params = PpoParams

    @classmethod
    def check(cls, params: PpoParams) -> Iterable[str]:
        return mistakes(params)

    def method(self, inputs: Inputs) -> Ppo:
        return Ppo(_actor(inputs, self.params), self.params)


class Ppo:
    """How a round is learned from."""

    answers = 1

    def __init__(self, actor: Actor, params: PpoParams) -> None:
        self.models, self._params = actor, params
        self.steps = steps_a_round(params)

    def begin(self) -> State:
        return State(beta=self._params.kl_coefficient)

    def learn(
        self, samples: Sequence[Sample], speaker: Speaker, state: State, optimise: Optimiser, seed: int
    ) -> dict[str, float]:
        p = self._params
        taught, state.moments = experience(samples, self.models, p, speaker.pad, state.beta, state.moments)
        measured = update(self.models, taught, optimise, p, seed, state.done)
        if p.kl_target is not None:
            state.beta = adapted(state.beta, taught.figures["kl"], p.kl_target, rate=p.kl_rate)
        return {**taught.figures, **measured}

    def figures(self, state: State) -> dict[str, Any]:
        last = {f"last_{name}": state.log[-1][name] for name in ("kl", "length", "entropy")}
        return {"steps": state.done * self.steps, **last}


def _actor(inputs: Inputs, params: PpoParams) -> Actor:
    """Policy, reference and value function, on the device that there is."""
    from transformers import AutoModel

    models = loaded(inputs, params)
    body = training.load(inputs.model(), AutoModel, params) if params.value == "separate" else None
    if body is not None:
        body.to(models.policy.device).eval()
        if params.gradient_checkpointing:
            body.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return Actor(models.policy, models.reference, body, models.precision)
