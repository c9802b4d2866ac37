"""The trainer: rounds in which the policy answers each prompt more than once, and learns which answer is the better one.

TRL's experimental online DPO counts a missing score as zero and a tie as a certain label, knows two answers to a prompt
and no probability of a pair, and draws from one stream of random numbers; so this is our own, on the rounds of PPO.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from constitutional.api import Inputs, StepFailed
from constitutional.builtin.math import gae, ppo
from constitutional.builtin.trainers.online_dpo.pairs import Pairs, paired, penalised
from constitutional.builtin.trainers.online_dpo.params import OnlineDpoParams, mistakes
from constitutional.builtin.trainers.online_dpo.update import Lesson, steps_a_round, update
from constitutional.builtin.trainers.rounds import RoundTrainer
from constitutional.builtin.trainers.rounds.checkpoint import State
from constitutional.builtin.trainers.rounds.optimiser import Optimiser
from constitutional.builtin.trainers.rounds.policy import Batch, Policy, loaded
from constitutional.builtin.trainers.rounds.rollout import Sample, Speaker, batched, figures_of


class OnlineDpoTrainer(RoundTrainer):
    """Optimise a policy on pairs of its own answers, compared by a reward or a judge as they are made.

    Online AI feedback: Guo et al. 2024 (arXiv 2402.04792), section 3, with the loss of Rafailov et al. 2023 (arXiv
    2305.18290) or Azar et al. 2024 (arXiv 2310.12036).
    """

    name, version = "online-dpo", 1
    Params = OnlineDpoParams

    @classmethod
    def check(cls, params: OnlineDpoParams) -> Iterable[str]:
        return mistakes(params)

    def method(self, inputs: Inputs) -> OnlineDpo:
        return OnlineDpo(loaded(inputs, self.params), self.params)


class OnlineDpo:
    """How a round is learned from."""

    def __init__(self, models: Policy, params: OnlineDpoParams) -> None:
        self.models, self._params = models, params
        self.answers, self.steps = params.group_size, steps_a_round(params)

    def begin(self) -> State:
        return State()

    def learn(
        self, samples: Sequence[Sample], speaker: Speaker, state: State, optimise: Optimiser, seed: int
    ) -> dict[str, float]:
        p = self._params
        found = paired(samples, p)
        batch = batched(samples, speaker.pad, self.models.policy.device)
        reference, read = self._read(batch, samples)
        measured = update(self.models, Lesson(batch, reference, found.pairs), optimise, p, seed, state.done)
        return {**figures_of(samples), **read, **_figures(found, samples), **measured}

    def figures(self, state: State) -> dict[str, Any]:
        """Raises `StepFailed` where no two answers to any prompt were told apart: nothing was learned."""
        counts = {name: int(sum(line[name] for line in state.log)) for name in ("pairs", "ties", "unpaired")}
        if counts["pairs"] == 0:
            raise StepFailed(
                "reward", f"no two answers to a prompt differ in score ({counts['ties']} ties): nothing was learned",
                help="a reward that tells answers apart, a smaller `tie_margin`, or a higher `temperature`",
            )  # fmt: skip
        last = {f"last_{name}": state.log[-1][name] for name in ("kl", "length", "entropy")}
        return {"steps": int(sum(line["updates"] for line in state.log)), **counts, **last}

    def _read(self, batch: Batch, samples: Sequence[Sample]) -> tuple[Any, dict[str, float]]:
        """The reference's log-probabilities of all answers, and how far the policy that gave them is from it."""
        import torch

        p, found = self._params, []
        with torch.no_grad():
            for rows in torch.arange(len(batch.ids), device=batch.ids.device).split(2 * p.batch_size):
                part = batch.part(rows)
                reading = self.models.read(part, p.temperature)
                found.append((reading.logps, reading.entropy, self.models.reference_logps(part, p.temperature)))
        logps, entropy, reference = (torch.cat(column) for column in zip(*found, strict=True))
        kept = torch.tensor([one.scored.value is not None for one in samples], device=batch.ids.device)
        kl = float(ppo.divergence(logps, reference, batch.mask)[kept].mean())
        scores = [score for one in samples if (score := penalised(one, p)) is not None]
        return reference, {
            "kl": kl,
            "kl_per_token": float(gae.masked_mean(logps - reference, batch.mask * kept[:, None])),
            "entropy": float(gae.masked_mean(entropy, batch.mask)),
            "reward": fmean(scores) - p.beta * kl,
        }


def _figures(found: Pairs, samples: Sequence[Sample]) -> dict[str, float]:
    """Counts, and the scores of the pairs where there are any."""
    said = {"pairs": float(len(found.pairs)), "ties": float(found.ties), "unpaired": float(found.unpaired)}
    if not found.pairs:
        return said

    def score(places: Iterable[int]) -> float:
        return fmean(value for place in places if (value := samples[place].scored.value) is not None)

    return said | {
        "score_chosen": score(one.chosen for one in found.pairs),
        "score_rejected": score(one.rejected for one in found.pairs),
        "score_margin": fmean(one.margin for one in found.pairs),
        "p_chosen": fmean(one.p_chosen for one in found.pairs),
    }
