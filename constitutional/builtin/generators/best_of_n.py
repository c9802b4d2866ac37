"""Sample several answers and keep the one that a reward likes best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Capability,
    Completion,
    Fate,
    Flow,
    Forecast,
    Inputs,
    JsonObject,
    Outputs,
    Port,
    Prompt,
    Response,
    Rows,
    Score,
    SurveyContext,
    SurveyStage,
    Unanswered,
    assistant,
    exactly,
)
from constitutional.builtin.generators.sampling import LENGTH, SamplingParams, ask_all, request, sampling
from constitutional.builtin.rewards import wiring
from constitutional.builtin.rewards.chunks import chunks
from constitutional.builtin.rewards.contract import Missing, Scored, Scorer

#: Prompts whose answers are asked for together, then scored together.
AT_ONCE = 64
PATH = "generator/best-of-n"


@dataclass
class Sampled:
    """One prompt with its answers and their scores; `reason` where the model gave none."""

    row: Prompt
    answers: Sequence[Completion] = ()
    scores: Sequence[Scored] = ()
    reason: str = ""

    @property
    def best(self) -> int | None:
        """The answer with the highest score, the first of several; one without a score never wins."""
        scored = [(one.value, -at) for at, one in enumerate(self.scores) if one.value is not None]
        return -max(scored)[1] if scored else None

    @property
    def values(self) -> list[float]:
        return [one.value for one in self.scores if one.value is not None]


class BestOfN(wiring.Rewarded, SurveyStage):
    """Sample `n` answers of a model for each prompt and keep the one with the highest reward.

    Best-of-n (rejection sampling): Nakano et al. 2021 (arXiv 2112.09332), section 3.4; Gao et al. 2022 (arXiv
    2210.10760), section 2.  Where all answers have a score, what is kept diverges from the model by at most
    log n - (n - 1) / n nats a prompt (Beirami et al. 2024, arXiv 2401.01879), the figure `kl_bound`.  An answer without
    a score never wins, and a prompt without any score is unscored.  Further figures: `score` (mean of the kept),
    `mean_score` (mean over each prompt's answers) and `gain` (their paired difference).  The output `scores` has the
    reward of every answer, kept or not.
    """

    kind, name, version = "generator", "best-of-n", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}
    takes: ClassVar[Mapping[str, Port]] = {
        "prompts": Port(Prompt, many=True, about="what to answer"),
        **wiring.TAKES,
    }

    class Params(SamplingParams, wiring.ScoringParams):
        """Parameters of `best-of-n`."""

        n: int = Field(default=8, ge=2, le=1024)
        """How many answers to sample for each prompt."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Response, "scores": Score}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("score", "mean_score", "gain", "kl_bound")

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.temperature == 0:
            yield f"at temperature 0 all {params.n} answers are the same; raise `temperature`"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        asks, said = sampling(ahead, params, exactly(params.n))
        prompts = ahead.rows("prompts")
        each = Rows(prompts.count.or_less(), prompts.prompt, said)
        every = Rows(prompts.count.times(params.n).or_less(), prompts.prompt, said, prompts.siblings * params.n)
        return Forecast({MAIN: each, "scores": every}, [asks])

    async def run(self, inputs: Inputs, ctx: SurveyContext) -> Outputs:
        """Raises `StepFailed` where too many scores are missing."""
        import asyncio

        rows = list(inputs.rows("prompts"))
        missing, found = Missing(self.params.max_missing), list[Sampled]()
        scorer: Scorer | None = None
        for part in chunks(rows, AT_ONCE):
            sampled = list(await asyncio.gather(*(self._sample(row, ctx) for row in part)))
            if scorer is None:
                render = ctx.on(part[0]).render
                scorer = await asyncio.to_thread(wiring.scorer_of, inputs, self.params, ctx.constitution, render)
            await asyncio.to_thread(_score, sampled, scorer, missing, self.params.on_length == "keep")
            found += sampled
            ctx.progress(len(found), len(rows))
        label = ctx.on(rows[0]).model_label() if rows else ""
        kept = [self._kept(one, label) for one in found if one.best is not None]
        return Outputs(rows={MAIN: kept, "scores": [score for one in found for score in self._scores(one, label)]},
                       figures=_figures(found, missing, self.params.n, ctx.seed), fates=_fates(found))  # fmt: skip

    async def _sample(self, row: Prompt, ctx: SurveyContext) -> Sampled:
        """A prompt has all its answers or none; those that were cut off may be left out."""
        asked = [request(row, self.params, sample) for sample in range(self.params.n)]
        try:
            answers = await ask_all(ctx.on(row), asked)
        except Unanswered as unanswered:
            return Sampled(row, reason=unanswered.reason)
        return Sampled(row, answers)

    def _answer(self, one: Sampled, sample: int, label: str) -> Response:
        said = one.answers[sample]
        flags = () if said.text.strip() else ("empty",)
        return one.row.derive(Response, PATH, sample, completion=said.text, model=label, sample=sample,
                              finish_reason=said.finish_reason, flags=flags)  # fmt: skip

    def _kept(self, one: Sampled, label: str) -> Response:
        assert one.best is not None
        return self._answer(one, one.best, label)

    def _scores(self, one: Sampled, label: str) -> Iterable[Score]:
        for sample, scored in enumerate(one.scores):
            if scored.value is not None:
                yield self._answer(one, sample, label).derive(Score, PATH, score=scored.value)


def _score(sampled: Sequence[Sampled], scorer: Scorer, missing: Missing, keep_cut: bool) -> None:
    """Score all answers of some prompts in one batch, but those that were cut off where they are not wanted."""
    wanted = [[keep_cut or answer.finish_reason != LENGTH for answer in one.answers] for one in sampled]
    asked = [(one.row, answer) for one, wants in zip(sampled, wanted, strict=True)
             for answer, wish in zip(one.answers, wants, strict=True) if wish]  # fmt: skip
    dialogues = [(*row.prompt, assistant(answer.text)) for row, answer in asked]
    scores = scorer.score(dialogues, [row.meta for row, _ in asked])
    missing.check(scores)
    left = iter(scores)
    for one, wants in zip(sampled, wanted, strict=True):
        one.scores = [next(left) if wish else Scored(None, "cut off at max_new_tokens") for wish in wants]


def kl_bound(n: int) -> float:
    """How far the best of `n` answers can diverge from the model that gave them, in nats a prompt."""
    return math.log(n) - (n - 1) / n


def _figures(found: Sequence[Sampled], missing: Missing, n: int, seed: int) -> JsonObject:
    from constitutional.builtin.math.figures import average, change, generator

    scored = [one for one in found if one.values]
    best, mean = [max(one.values) for one in scored], [fmean(one.values) for one in scored]
    without = dict(Counter(_reason(one) for one in found if not one.values))
    return {
        "score": average(best, generator(seed, PATH, "score"), unscored=without),
        "mean_score": average(mean, generator(seed, PATH, "mean"), unscored=without),
        "gain": change(best, mean, generator(seed, PATH, "gain"), unscored=sum(without.values())),
        "kl_bound": kl_bound(n), "samples": n, "unscored_answers": dict(missing.counts()),
    }  # fmt: skip


def _reason(one: Sampled) -> str:
    return one.reason or (one.scores[0].reason if one.scores else "no answer")


def _fates(found: Sequence[Sampled]) -> dict[tuple[Fate, str], int]:
    return dict(Counter(("kept", "") if one.values else ("unscored", _reason(one)) for one in found))
