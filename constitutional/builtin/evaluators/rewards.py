"""How much reward models earn, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Asking,
    Capability,
    Flow,
    Forecast,
    Inputs,
    Json,
    Outputs,
    Port,
    Prompt,
    Report,
    Request,
    StageParams,
    SurveyContext,
    SurveyStage,
    Unanswered,
    assistant,
    to_json,
)
from constitutional.builtin.evaluators.abreast import abreast
from constitutional.builtin.evaluators.folder import FORMAT, write
from constitutional.builtin.evaluators.prompts import each_once, fates
from constitutional.builtin.rewards import wiring
from constitutional.builtin.rewards.contract import Missing, Scored


@dataclass(frozen=True, slots=True)
class Earned:
    """One answer of one model, and what it earned or why it earned nothing."""

    row: Prompt
    label: str
    answer: str | None
    scored: Scored

    def to_json(self) -> dict[str, Json]:
        return {"row_id": self.row.row_id, "label": self.label, "meta": dict(self.row.meta), "answer": self.answer,
                "prompt": to_json(self.row.prompt), "reward": self.scored.value, "reason": self.scored.reason or None}  # fmt: skip


class AnsweringParams(StageParams):
    """How models are asked for an answer to each prompt."""

    baseline: str | None = None
    """The label of the model that the others are compared with; the first where left out."""

    temperature: float = Field(default=0.0, ge=0.0, le=10.0)
    """How freely the models answer; 0 always takes the most likely token, so that figures repeat exactly."""

    max_new_tokens: int = Field(default=256, ge=1)
    """An answer is cut off after this many tokens."""

    stop: tuple[str, ...] = ()
    """Texts that end an answer."""

    cluster: str | None = None
    """A column of the prompts' own that says which are paraphrases of one another: intervals draw whole groups."""

    breakdown: tuple[str, ...] = ("category",)
    """Columns of the prompts' own to break the mean reward down by."""


class Rewards(wiring.Rewarded, SurveyStage):
    """The mean reward of several models on the same held-out prompts, by the expression that a training optimises.

    Each model answers each prompt once.  Figures: `reward` and `mean_words`, each with a bootstrap interval; differences
    from the baseline are paired by prompt (Miller 2024, arXiv 2411.00640), tested by sign flips, and held to Holm's
    correction over the models.  An answer without a score is left out of its figure and counted with its reason.

    A reward that rises is what was optimised, not what was wanted: judge by something else too (Gao et al. 2022, arXiv
    2210.10760).
    """

    kind, name, version = "evaluator", "rewards", 1
    asks: ClassVar = {"models": Ask(Capability.TEXT, labelled=True)}
    takes: ClassVar[Mapping[str, Port]] = {
        "prompts": Port(Prompt, many=True, about="held-out prompts"),
        **wiring.TAKES,
    }

    class Params(AnsweringParams, wiring.ScoringParams):
        """Parameters of `rewards`."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Report}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("reward", "mean_words")

    @classmethod
    def wired(cls, params: Any, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        yield from super().wired(params, ports)
        labels = ports.get("models", ())
        if params.baseline is not None and labels and params.baseline not in labels:
            yield f"`baseline` is `{params.baseline}`, which is no label of `models` ({', '.join(labels)})"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        prompts = ahead.rows("prompts")
        return Forecast({}, [Asking(f"models.{label}", prompts.count, prompts.prompt, params.max_new_tokens)
                             for label in ahead.labels.get("models", ())])  # fmt: skip

    async def run(self, inputs: Inputs, ctx: SurveyContext) -> Outputs:
        """Raises `UserError` where a prompt comes twice, `StepFailed` where too many scores are missing."""
        labels = list(inputs.labels("models"))
        rows = list(inputs.rows("prompts"))
        each_once(rows)
        asked = [(row, label) for row in rows for label in labels]

        async def answer(one: tuple[Prompt, str]) -> str | Unanswered:
            p, (row, label) = self.params, one
            try:
                said = await ctx.on(row).ask(Request(row.prompt, p.max_new_tokens, p.temperature, stop=p.stop),
                                             model=f"models.{label}")  # fmt: skip
            except Unanswered as unanswered:
                return unanswered
            return said.text

        said = await abreast(asked, answer, lambda done: ctx.progress(done, len(asked)))
        missing = Missing(self.params.max_missing)
        earned = await asyncio.to_thread(self._earned, inputs, ctx, asked, said, missing) if asked else []
        from constitutional.builtin.evaluators.earnings import broken_down, figures

        baseline = self.params.baseline or (labels[0] if labels else "")
        found = figures(earned, labels, baseline, ctx.seed, self.params.cluster)
        by = broken_down(earned, self.params.breakdown, labels, ctx.seed, self.params.cluster)
        report = {"format": FORMAT, "evaluator": self.name, "seed": ctx.seed,
                  "parameters": self.params.model_dump(mode="json", exclude={"judge_template"}), **found, "breakdown": by}  # fmt: skip
        folder = write(ctx.workdir / "report", report, "answers.jsonl", (one.to_json() for one in earned))
        ended = fates(rows, ((one.row, one.scored.reason if one.scored.value is None else None) for one in earned))
        return Outputs(folders={MAIN: folder}, figures=found, fates=ended)

    def _earned(self, inputs: Inputs, ctx: SurveyContext, asked: Sequence[tuple[Prompt, str]],
                said: Sequence[str | Unanswered], missing: Missing) -> list[Earned]:  # fmt: skip
        """Every answer with its score; what was not answered has the model's reason."""
        scorer = wiring.scorer_of(inputs, self.params, ctx.constitution, ctx.on(asked[0][0]).render)
        given = [(row, text) for (row, _), text in zip(asked, said, strict=True) if isinstance(text, str)]
        scores = scorer.score([(*row.prompt, assistant(text)) for row, text in given], [row.meta for row, _ in given])
        missing.check(scores)
        left = iter(scores)
        return [
            Earned(row, label, text, next(left)) if isinstance(text, str)
            else Earned(row, label, None, Scored(None, text.reason))
            for (row, label), text in zip(asked, said, strict=True)
        ]  # fmt: skip
