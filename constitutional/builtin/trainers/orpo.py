"""Odds-ratio preference optimisation: demonstrations and preferences in one stage, without a reference.

TRL keeps its ORPO among the experimental trainers, which come and go, and gives it no probability a row; the loss is a
dozen lines, so it is our own, and a test holds it to TRL's where labels are hard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import PolicyModel, Port, Preference
from constitutional.builtin.math import losses
from constitutional.builtin.trainers import known_args
from constitutional.builtin.trainers.pairs import PairTrainer, logps
from constitutional.builtin.trainers.parameters import FitParams


class OrpoParams(FitParams):
    """Parameters of odds-ratio preference optimisation."""

    weight: float = Field(default=0.1, ge=0)
    """lambda, the weight of the odds ratio beside the likelihood of the chosen answers."""

    soft_labels: bool = True
    """Learn the probability `p_chosen` of each pair; without, every label counts as certain."""

    learning_rate: float = Field(default=8e-6, gt=0)
    """Peak learning rate of AdamW."""


class OrpoTrainer(PairTrainer):
    """Teach a policy the chosen answers and to prefer them, in one stage (Hong et al. 2024, arXiv 2403.07691).

    The likelihood is of the completion alone, as in the paper's equation 2; TRL's experimental trainer counts the
    prompt's tokens too.
    """

    name, version = "orpo", 1
    measure = "log_odds_ratio"
    Params = OrpoParams
    takes: ClassVar[Mapping[str, Port]] = {
        "model": Port(PolicyModel, about="the policy to start from; a base or fine-tuned model"),
        "preferences": Port(Preference, many=True, about="pairs with the probability that the chosen one is better"),
    }

    @classmethod
    def check(cls, params: OrpoParams) -> Iterable[str]:
        return known_args.all_mistakes("orpo", params)

    def loss(self, model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
        chosen, rejected = logps(model, batch, mean=True).chunk(2)
        loss = losses.orpo(chosen, rejected, batch["p_chosen"], weight=self.params.weight)
        return loss, losses.log_odds(chosen) - losses.log_odds(rejected)
