"""Vote on pairs by a reward: the answer that would earn more in a training."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Fate,
    Flow,
    Inputs,
    Outputs,
    Pair,
    Port,
    Vote,
    WholeContext,
    WholeStage,
    assistant,
    derived_row_id,
)
from constitutional.builtin.math.probability import sigmoid
from constitutional.builtin.rewards import wiring
from constitutional.builtin.rewards.chunks import chunks
from constitutional.builtin.rewards.contract import Missing, Scored

#: Pairs scored at once, between two words on how far it is.
AT_ONCE = 256
PATH = "labeller/reward-votes"
#: Who voted, and by what: a reward is no model of the spec and knows no principle.
JUDGE = "reward"


class RewardVotes(wiring.Rewarded, WholeStage):
    """The probability that the first answer is the better one, by the difference of their rewards.

    p = sigmoid((r_first - r_second) / temperature), the model of Bradley and Terry 1952 that reward models are trained
    by: labels of a reward model for a student that never saw the pairs it learned from.  A reward has no liking for
    places, so its vote is written in both orders, which is what debiasers read.  A pair with an answer that has no score
    is an abstention, with the reason.
    """

    kind, name, version = "labeller", "reward-votes", 1
    isolated = True
    takes: ClassVar[Mapping[str, Port]] = {
        "pairs": Port(Pair, many=True, about="the pairs to vote on"),
        **wiring.TAKES,
    }

    class Params(wiring.ScoringParams):
        """Parameters of `reward-votes`."""

        temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
        """What the difference is divided by; more makes votes less sure."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Vote}

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `StepFailed` where too many scores are missing."""
        scorer = wiring.scorer_of(inputs, self.params, ctx.constitution, ctx.render)
        missing, total, votes = Missing(self.params.max_missing), inputs.count("pairs"), list[Vote]()
        fates: Counter[tuple[Fate, str]] = Counter()
        for rows in chunks(inputs.rows("pairs"), AT_ONCE):
            answers = [(row, text) for row in rows for text in (row.first, row.second)]
            scored = scorer.score(
                [(*row.prompt, assistant(text)) for row, text in answers], [r.meta for r, _ in answers]
            )
            missing.check(scored)
            for row, first, second in zip(rows, scored[::2], scored[1::2], strict=True):
                why = first.reason or second.reason
                votes += self._votes(row, first, second, why)
                fates[("abstained", why) if why else ("kept", "")] += 1
            ctx.progress(fates.total(), total)
        return Outputs(rows={MAIN: votes}, fates=dict(fates))

    def _votes(self, row: Pair, first: Scored, second: Scored, why: str) -> Iterator[Vote]:
        p = None
        if first.value is not None and second.value is not None:
            p = sigmoid((first.value - second.value) / self.params.temperature)
        raw = json.dumps({"first": first.value, "second": second.value})
        orders: tuple[tuple[Literal["ab", "ba"], float | None], ...] = (("ab", p), ("ba", None if p is None else 1 - p))
        for order, p_first in orders:
            made = row.derive(Vote, PATH, pair=row.row_id, principle=JUDGE, order=order, judge=JUDGE, p_first=p_first,
                              abstained=why or None, raw=raw)  # fmt: skip
            # The id stands for the question: the last bits of a score may differ between machines.
            yield replace(made, row_id=derived_row_id(PATH, made.parents, 0, {"judge": JUDGE, "order": order}))
