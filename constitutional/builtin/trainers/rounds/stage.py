"""The stage of every trainer that goes in rounds."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from constitutional.api import Inputs, PolicyModel, Port
from constitutional.builtin.rewards.contract import Missing
from constitutional.builtin.trainers import rl, training
from constitutional.builtin.trainers.policies import Learned, PolicyTrainer
from constitutional.builtin.trainers.rounds import learning
from constitutional.builtin.trainers.rounds.learning import Method
from constitutional.builtin.trainers.rounds.params import RoundParams, mistakes
from constitutional.builtin.trainers.rounds.rollout import Speaker
from constitutional.builtin.trainers.watch.attach import attach

__all__ = ["Method", "RoundTrainer"]


class RoundTrainer(PolicyTrainer):
    """A trainer on one device that goes in rounds: rollout, scores, updates.

    Random numbers are functions of the seed and the round, so that a training that is killed ends with the same bytes.
    """

    Params: ClassVar[type[Any]] = RoundParams
    takes: ClassVar[Mapping[str, Port]] = {
        **rl.TAKES,
        "reference": Port(
            PolicyModel, optional=True, about="the reference model; the policy as it starts where left out"
        ),
    }
    counts = "iteration"

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        return mistakes(cls.name, params)

    @abstractmethod
    def method(self, inputs: Inputs) -> Method:
        """The models, and how they learn."""

    def learn(self, setting: rl.Setting) -> Learned:
        p, ctx, tokenizer = setting.params, setting.ctx, setting.encoder.tokenizer
        method = self.method(setting.inputs)
        models = method.models
        watching = attach(setting, models.policy, lambda: models.reference, models.learned())
        speaker = Speaker(setting.encoder, int(tokenizer.pad_token_id), training.ends_of(models.policy, tokenizer))
        state = learning.learn(
            f"{self.kind}/{self.name}", method, speaker, setting.prompts, setting.scorer, p, ctx, watching
        )
        missing = Missing(p.max_missing, state.scored, Counter(state.reasons))
        figures: dict[str, Any] = {
            "iterations": state.done, "rows": len(setting.prompts),
            "score": rl.reward_figure(state.last_scores, missing, ctx.seed),
            "first_score": state.log[0]["score"], **method.figures(state),
        }  # fmt: skip
        return Learned(models.policy, state.done, figures, state.log, watching)
