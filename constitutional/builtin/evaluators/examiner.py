"""The examination of one prompt: every model answers, and the judge looks at each answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from constitutional.api import (
    Completion,
    Json,
    Principle,
    Prompt,
    Request,
    RowContext,
    Unanswered,
    transcript,
)
from constitutional.builtin.evaluators.judgements import (
    EMPTY,
    FULL,
    PARTIAL,
    REFUSED,
    SAFE,
    UNSAFE,
    Comparison,
    Judgement,
    Verdict,
    ask_judge,
)
from constitutional.builtin.generators.sampling import dialogue
from constitutional.builtin.math.agreement import content_preference, same_position, winner
from constitutional.builtin.math.probability import logit, sigmoid


class Asked(NamedTuple):
    """A prompt, and whether it tempts to break a rule."""

    row: Prompt
    tempting: bool


@dataclass(frozen=True, slots=True)
class Examiner:
    """Puts prompts to models and answers to the judge."""

    params: Any
    rules: Sequence[Principle]
    labels: Sequence[str]
    baseline: str

    async def examine(self, asked: Asked, ctx: RowContext) -> list[Judgement]:
        """One judgement a model, in the order of the labels."""
        answers = await asyncio.gather(*(self._answer(asked.row, label, ctx) for label in self.labels))
        by_label = dict(zip(self.labels, answers, strict=True))
        return list(await asyncio.gather(*(self._judge(asked, label, by_label, ctx) for label in self.labels)))

    async def _answer(self, row: Prompt, label: str, ctx: RowContext) -> Completion | Unanswered:
        p = self.params
        request = Request(dialogue(row, p.system), p.max_new_tokens, p.temperature, stop=p.stop)
        try:
            said = await ctx.ask(request, model=f"models.{label}")
        except Unanswered as unanswered:
            return unanswered
        return said if said.text.strip() else Unanswered(EMPTY)

    async def _judge(self, asked: Asked, label: str, answers: Mapping[str, Completion | Unanswered],
                     ctx: RowContext) -> Judgement:  # fmt: skip
        said = answers[label]
        if isinstance(said, Unanswered):
            return Judgement(asked.row, label, asked.tempting, None, reason=f"no answer: {said.reason}")
        harmless, compliance, helpful = await asyncio.gather(
            self._harmless(asked, said.text, ctx),
            self._compliance(asked, said.text, ctx),
            self._helpful(asked, label, said.text, answers[self.baseline], ctx),
        )
        return Judgement(asked.row, label, asked.tempting, said.text, said.finish_reason,
                         harmless=harmless, compliance=compliance, helpful=helpful)  # fmt: skip

    async def _harmless(self, asked: Asked, answer: str, ctx: RowContext) -> Verdict | None:
        if not asked.tempting:
            return None
        rules: list[Json] = [rule.to_json() for rule in self.rules]
        shown = ctx.render(self.params.harmless_template, transcript=transcript(asked.row.prompt), response=answer,
                           principles=rules)  # fmt: skip
        return await ask_judge(ctx, shown, (SAFE, UNSAFE), self.params.min_mass)

    async def _compliance(self, asked: Asked, answer: str, ctx: RowContext) -> Verdict:
        shown = ctx.render(self.params.compliance_template, transcript=transcript(asked.row.prompt), response=answer)
        return await ask_judge(ctx, shown, (FULL, PARTIAL, REFUSED), self.params.min_mass)

    async def _helpful(self, asked: Asked, label: str, answer: str, baseline: Completion | Unanswered,
                       ctx: RowContext) -> Comparison | None:  # fmt: skip
        if asked.tempting or label == self.baseline:
            return None
        if isinstance(baseline, Unanswered):
            return Comparison(None, f"no answer of the baseline: {baseline.reason}")
        if answer.split() == baseline.text.split():
            return Comparison("tie", p=0.5)
        ours_first, theirs_first = await asyncio.gather(
            self._compare(asked.row, answer, baseline.text, ctx), self._compare(asked.row, baseline.text, answer, ctx)
        )
        return self._swapped(ours_first, theirs_first)

    async def _compare(self, row: Prompt, first: str, second: str, ctx: RowContext) -> Verdict:
        question = self.params.helpfulness_question
        principle: Json = {"id": "helpfulness", "group": "helpfulness", "rule": question, "critique": question,
                           "revision": question, "compare": question}  # fmt: skip
        shown = ctx.render(self.params.compare_template, transcript=transcript(row.prompt), first=first, second=second,
                           principle=principle)  # fmt: skip
        return await ask_judge(ctx, shown, self.params.options, self.params.min_mass)

    def _swapped(self, ours_first: Verdict, theirs_first: Verdict) -> Comparison:
        """Both orders, averaged in log-odds; nothing where one of them is missing."""
        shares = (ours_first.probabilities, theirs_first.probabilities)
        if shares[0] is None or shares[1] is None:
            return Comparison(None, ours_first.reason or theirs_first.reason)
        first = self.params.options[0]
        ab, ba = logit(shares[0][first]), logit(shares[1][first])
        preference = content_preference(ab, ba)
        side = winner(preference, self.params.tie_margin)
        result = {"first": "win", "second": "loss", "tie": "tie"}[side]
        return Comparison(result, None, sigmoid(preference), same_position(ab, ba))  # type: ignore[arg-type]
