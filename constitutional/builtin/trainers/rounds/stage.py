"""The stage of every trainer that goes in rounds."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from constitutional.api import (
    MAIN,
    Constitution,
    Flow,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    Principle,
    WholeContext,
    WholeStage,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Missing
from constitutional.builtin.trainers import rl, tokens, training
from constitutional.builtin.trainers.rounds.learning import Method, learn
from constitutional.builtin.trainers.rounds.params import RoundParams, mistakes
from constitutional.builtin.trainers.rounds.rollout import Speaker
from constitutional.builtin.trainers.watch.attach import attach
from constitutional.builtin.trainers.watch.watching import merged

__all__ = ["Method", "RoundTrainer"]


class RoundTrainer(WholeStage):
    """A trainer on one device that goes in rounds: rollout, scores, updates.

    Random numbers are functions of the seed and the round, so that a training that is killed ends with the same bytes.
    """

    kind = "trainer"
    isolated = True
    Params: ClassVar[type[Any]] = RoundParams
    takes: ClassVar[Mapping[str, Port]] = {
        **rl.TAKES,
        "reference": Port(
            PolicyModel, optional=True, about="the reference model; the policy as it starts where left out"
        ),
    }

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        return mistakes(cls.name, params)

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """The principles that a judge in the reward may rate by.  Raises `UserError` where there are none."""
        return rl.seen(params, constitution)

    @classmethod
    def wired(cls, params: Any, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        return rl.wired(params, ports)

    @abstractmethod
    def method(self, inputs: Inputs) -> Method:
        """The models, and how they learn."""

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `StepFailed` where no prompt is left, too many scores are missing, or the loss is not a number."""
        training.quiet()
        from transformers import set_seed

        p: RoundParams = self.params
        set_seed(ctx.seed % 2**32)
        tokenizer = training.tokenizer_of(inputs.model())
        encoder = DialogueEncoder(tokenizer)
        prompts, dropped = rl.usable_prompts(inputs, encoder, p)
        builder = rl.builder_of(inputs, p, ctx)
        scorer = rl.scorer_of(builder, p)
        method = self.method(inputs)
        models = method.models
        watching = attach(
            inputs, ctx, p, encoder, prompts, builder, scorer, models.policy, lambda: models.reference, models.learned()
        )
        speaker = Speaker(encoder, int(tokenizer.pad_token_id), training.ends_of(models.policy, tokenizer))
        state = learn(f"{self.kind}/{self.name}", method, speaker, prompts, scorer, p, ctx, watching)
        missing = Missing(p.max_missing, state.scored, Counter(state.reasons))
        figures: dict[str, Any] = {
            "iterations": state.done, "rows": len(prompts),
            "score": rl.reward_figure(state.last_scores, missing, ctx.seed),
            "first_score": state.log[0]["score"], **method.figures(state),
        }  # fmt: skip
        log = state.log
        if watching is not None:
            if said := watching.finish():
                ctx.progress(state.done, state.done, notice=said)
            figures["watch"] = watching.figures()
            log = merged(log, watching.lines("iteration"), "iteration")
        folder = training.save(models.policy, tokenizer, ctx.workdir / "model", p.lora, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(prompts), dropped))
