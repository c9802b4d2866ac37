"""Score answers by a reward, as a training would."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from constitutional.api import (
    MAIN,
    Fate,
    Flow,
    Inputs,
    Outputs,
    Port,
    Response,
    Score,
    WholeContext,
    WholeStage,
    assistant,
)
from constitutional.builtin.rewards import wiring
from constitutional.builtin.rewards.chunks import chunks
from constitutional.builtin.rewards.contract import Missing, Scorer

#: Answers scored at once, between two words on how far it is.
AT_ONCE = 512


class Reward(wiring.Rewarded, WholeStage):
    """The score of each answer by a reward expression: the same number that the answer would earn in a training.

    `Score.score` is the reward as it is, of any size; with `squash` it is the probability, by the model of Bradley and
    Terry 1952, that the answer beats one of reward 0.  An answer without a score is unscored, with the reason.
    Figures: `score`, the mean with its interval.
    """

    kind, name, version = "labeller", "reward", 1
    isolated = True
    takes: ClassVar[Mapping[str, Port]] = {
        "responses": Port(Response, many=True, about="the answers to score"),
        **wiring.TAKES,
    }

    class Params(wiring.ScoringParams):
        """Parameters of `reward`."""

        squash: bool = False
        """Give the probability to beat an answer of reward 0, between 0 and 1, in place of the reward."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Score}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("score",)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `StepFailed` where too many scores are missing."""
        from constitutional.builtin.math import figures

        scorer = wiring.scorer_of(inputs, self.params, ctx.constitution, ctx.render)
        missing = Missing(self.params.max_missing)
        scores = [score for part in self._parts(inputs, ctx, scorer, missing) for score in part]
        rng = figures.generator(ctx.seed, "reward")
        mean = figures.average([score.score for score in scores], rng, unscored=missing.counts())
        fates: Counter[tuple[Fate, str]] = Counter({("unscored", why): n for why, n in missing.counts().items()})
        fates["kept", ""] = len(scores)
        return Outputs(rows={MAIN: scores}, figures={"score": mean}, fates=dict(fates))

    def _parts(
        self, inputs: Inputs, ctx: WholeContext, scorer: Scorer, missing: Missing
    ) -> Iterator[list[Score]]:  # fmt: skip
        total, done = inputs.count("responses"), 0
        for rows in chunks(inputs.rows("responses"), AT_ONCE):
            scored = scorer.score(
                [(*row.prompt, assistant(row.completion)) for row in rows], [row.meta for row in rows]
            )
            missing.check(scored)
            yield [
                row.derive(Score, f"{self.kind}/{self.name}", score=self._number(one.value))
                for row, one in zip(rows, scored, strict=True)
                if one.value is not None
            ]
            done += len(rows)
            ctx.progress(done, total)

    def _number(self, value: float) -> float:
        """The value, or sigmoid of it without overflow."""
        return 0.5 * (1 + math.tanh(value / 2)) if self.params.squash else value
