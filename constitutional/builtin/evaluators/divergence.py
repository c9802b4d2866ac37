"""How far models have gone from a reference, on held-out prompts."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Asking,
    Capability,
    Completion,
    Flow,
    Forecast,
    Inputs,
    Json,
    Likelihood,
    LikelihoodRequest,
    Outputs,
    Port,
    Prompt,
    Range,
    Report,
    Request,
    RowContext,
    StageParams,
    SurveyContext,
    SurveyStage,
    Unanswered,
    UserError,
    exactly,
    to_json,
)
from constitutional.builtin.evaluators.abreast import abreast
from constitutional.builtin.evaluators.folder import FORMAT, write
from constitutional.builtin.evaluators.prompts import each_once, fates

#: The `finish_reason` of a text that ended because it was long enough.
LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Weighed:
    """One answer of one model: its tokens' log-probabilities by the model and by the reference, or why there are none."""

    row: Prompt
    label: str
    sample: int
    answer: Completion | None = None
    policy: Likelihood | None = None
    reference: Likelihood | None = None
    reason: str = ""

    @property
    def rewritten(self) -> bool:
        """Whether the text, encoded anew, has another number of tokens than the model wrote."""
        said, read = self.answer, self.policy
        return said is not None and read is not None and said.completion_tokens != len(read.tokens)

    def to_json(self) -> dict[str, Json]:
        there = self.policy is not None and self.reference is not None and not self.reason
        return {
            "row_id": self.row.row_id, "label": self.label, "sample": self.sample, "meta": dict(self.row.meta),
            "prompt": to_json(self.row.prompt), "answer": self.answer.text if self.answer else None,
            "finish_reason": self.answer.finish_reason if self.answer else None, "reason": self.reason or None,
            "policy": list(self.policy.logprobs) if there and self.policy else None,
            "reference": list(self.reference.logprobs) if there and self.reference else None,
        }  # fmt: skip


class Divergence(SurveyStage):
    """The divergence KL(model || reference) of several models' answers, on held-out prompts, in nats.

    Each model answers each prompt `samples` times at temperature 1, from its own distribution; model and reference then
    give the log-probability of each token of that answer, each through its own chat template.  Figures: `kl` is the mean
    of log pi - log ref over whole answers (k1), `kl_k3` the mean of ref / pi - 1 - log(ref / pi) summed along the
    answers (k3); both estimate the same divergence without bias, k3 with less noise where models are alike (Schulman
    2020).  `kl_per_token` and `kl_k3_per_token` divide by all tokens, and their `n` counts tokens.  `mean_tokens` is the
    length of answers with the end of the turn, which belongs to an answer unless it was cut off; `rewritten` is the share
    whose text, encoded anew, has another number of tokens than the model wrote.

    Intervals draw whole prompts.  An answer without log-probabilities is unscored, with its reason, and so is one whose
    tokens are not the same to both: models with different tokenizers cannot be compared.
    """

    kind, name, version = "evaluator", "divergence", 1
    asks: ClassVar = {
        "models": Ask(Capability.TEXT | Capability.LIKELIHOOD, labelled=True),
        "reference": Ask(Capability.LIKELIHOOD),
    }
    takes: ClassVar = {"prompts": Port(Prompt, many=True, about="held-out prompts")}

    class Params(StageParams):
        """Parameters of `divergence`."""

        samples: int = Field(default=1, ge=1, le=1024)
        """How many answers to sample for each prompt."""
        max_new_tokens: int = Field(default=256, ge=1)
        """An answer is cut off after this many tokens: the divergence is that of answers up to there."""
        cluster: str | None = None
        """A column of the prompts' own that says which are paraphrases of one another: intervals draw whole groups."""
        breakdown: tuple[str, ...] = ("category",)
        """Columns of the prompts' own to break `kl` down by."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Report}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        from constitutional.builtin.evaluators.distances import NAMES

        return NAMES

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        prompts, labels = ahead.rows("prompts"), ahead.labels.get("models", ())
        each, most = prompts.count.by(exactly(params.samples)), params.max_new_tokens
        read = prompts.prompt.plus(Range(0, most))
        own = [one for label in labels
               for one in (Asking(f"models.{label}", each, prompts.prompt, most), Asking(f"models.{label}", each, read))]  # fmt: skip
        return Forecast({}, [*own, Asking("reference", each.by(exactly(len(labels))), read)])

    async def run(self, inputs: Inputs, ctx: SurveyContext) -> Outputs:
        """Raises `UserError` where there is no model, or a prompt comes twice."""
        from constitutional.builtin.evaluators.distances import broken_down, figures

        labels, rows = list(inputs.labels("models")), list(inputs.rows("prompts"))
        if not labels:
            raise UserError("`models` names no model", help="write `models: {trained: dpo}`")
        each_once(rows)
        asked = [(row, label, at) for row in rows for label in labels for at in range(self.params.samples)]

        async def weigh(one: tuple[Prompt, str, int]) -> Weighed:
            return await self._weighed(one, ctx.on(one[0]))

        weighed = await abreast(asked, weigh, lambda done: ctx.progress(done, len(asked)))
        found = figures(weighed, labels, ctx.seed, self.params.cluster)
        by = broken_down(weighed, self.params.breakdown, labels, ctx.seed, self.params.cluster)
        report = {"format": FORMAT, "evaluator": self.name, "seed": ctx.seed,
                  "parameters": self.params.model_dump(mode="json"), **found, "breakdown": by}  # fmt: skip
        folder = write(ctx.workdir / "report", report, "answers.jsonl", (one.to_json() for one in weighed))
        ended = fates(rows, ((one.row, one.reason or None) for one in weighed))
        return Outputs(folders={MAIN: folder}, figures=found, fates=ended)

    async def _weighed(self, one: tuple[Prompt, str, int], ctx: RowContext) -> Weighed:
        row, label, sample = one
        try:
            said = await ctx.ask(Request(row.prompt, self.params.max_new_tokens, temperature=1.0, sample=sample),
                                 model=f"models.{label}")  # fmt: skip
        except Unanswered as unanswered:
            return Weighed(row, label, sample, reason=unanswered.reason)
        asked = LikelihoodRequest(row.prompt, said.text, ended=said.finish_reason != LENGTH)
        try:
            ours, theirs = await asyncio.gather(ctx.weigh(asked, f"models.{label}"), ctx.weigh(asked, "reference"))
        except Unanswered as unanswered:
            return Weighed(row, label, sample, said, reason=unanswered.reason)
        return Weighed(row, label, sample, said, ours, theirs, _reason(ours, theirs))


def _reason(ours: Likelihood, theirs: Likelihood) -> str:
    """Why two likelihoods of one text cannot be compared; empty where they can."""
    from constitutional.builtin.math.kl import k3

    if ours.tokens != theirs.tokens:
        return "other-tokens"
    return "" if all(map(math.isfinite, k3(ours.logprobs, theirs.logprobs))) else "ratio-too-large"
