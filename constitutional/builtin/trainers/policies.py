"""What trainers by reinforcement learning are as stages: one process, prompts and a reward in, a policy out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from constitutional.api import MAIN, Flow, Inputs, Outputs, PolicyModel, Port, WholeContext, WholeStage
from constitutional.builtin.rewards.wiring import Rewarded
from constitutional.builtin.trainers import rl, tokens, training
from constitutional.builtin.trainers.rl import Setting
from constitutional.builtin.trainers.watch.watching import Watching, merged


@dataclass(frozen=True)
class Learned:
    """What a training comes to, before the watch over it, if there is one, picks the weights."""

    policy: Any
    #: Steps or iterations that were taken.
    done: int
    figures: Mapping[str, Any]
    log: list[dict[str, float]]
    watching: Watching | None


class PolicyTrainer(Rewarded, WholeStage):
    """A trainer of a policy by a reward, in one process; watched where prompts are held out."""

    kind = "trainer"
    isolated = True
    takes: ClassVar[Mapping[str, Port]] = rl.TAKES
    #: What a line of its log counts.
    counts: ClassVar[str]

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}

    @classmethod
    def wired(cls, params: Any, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        return rl.wired(params, ports)

    @abstractmethod
    def learn(self, setting: Setting) -> Learned:
        """Train.  Raises `StepFailed` where too many scores are missing, or the loss is not a number."""

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `StepFailed` where no prompt is left, too many scores are missing, or the loss is not a number."""
        training.quiet()
        from transformers import set_seed

        set_seed(ctx.seed % 2**32)
        setting = rl.setting_of(inputs, ctx, self.params)
        learned = self.learn(setting)
        figures, log = dict(learned.figures), learned.log
        if (watching := learned.watching) is not None:
            if said := watching.finish():
                ctx.progress(learned.done, learned.done, notice=said)
            figures["watch"] = watching.figures()
            log = merged(log, watching.lines(self.counts), self.counts)
        folder = training.save(
            learned.policy, setting.encoder.tokenizer, ctx.workdir / "model", self.params.lora, figures, log
        )
        fates = tokens.fates(len(setting.prompts), setting.dropped)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=fates)
