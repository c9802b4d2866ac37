"""The two stages of the workload that are not built in: two candidates at once, and a judge that answers in letters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from constitutional.api import (
    Ask,
    Capability,
    Constitution,
    Pair,
    Principle,
    Request,
    Response,
    RowContext,
    RowStage,
    StageParams,
    TemplateName,
    Vote,
    hookimpl,
)


class TwoWays(RowStage[Response, Pair]):
    """Ask for a concise and for a detailed alternative to a revision."""

    kind, name, version = "generator", "two-ways", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `two-ways`."""

        concise: TemplateName
        """The prompt of the first candidate; it is given `prompt` and `revision`."""
        detailed: TemplateName
        """The prompt of the second."""

    params: Params

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Pair]:
        """Raises `Unanswered` where one of the two is missing."""
        asked = [
            ctx.ask(Request(ctx.render(template, prompt=row.prompt, revision=row.completion), temperature=1.0))
            for template in (self.params.concise, self.params.detailed)
        ]
        first, second = await asyncio.gather(*asked)
        last = row.rounds[-1]
        told = {"response": last.response, "critique": last.critique, "revision": row.completion}
        return [row.derive(Pair, self.path, first=first.text, second=second.text, meta={**row.meta, **told})]


class Letter(RowStage[Pair, Vote]):
    """Ask in both orders for a letter."""

    kind, name, version = "labeller", "letter", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `letter`."""

        template: TemplateName
        """The prompt; it is given `prompt`, `first`, `second`, `principle` and `order`."""

    params: Params

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        return constitution.principles

    async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
        """Raises `Unanswered` where one of the two is missing."""
        (principle,) = ctx.draw(ctx.constitution.principles)
        said = await asyncio.gather(*(self._ask(row, ctx, principle, order) for order in ("ab", "ba")))
        return [
            row.derive(Vote, self.path, index, pair=row.row_id, principle=principle.id, order=order, judge=ctx.model_label(),
                       raw=text, p_first={"A": 1.0, "B": 0.0}.get(text), abstained=None if text in ("A", "B") else "unparseable")
            for index, (order, text) in enumerate(zip(("ab", "ba"), said, strict=True))
        ]  # fmt: skip

    async def _ask(self, row: Pair, ctx: RowContext, principle: Principle, order: str) -> str:
        first, second = (row.first, row.second) if order == "ab" else (row.second, row.first)
        shown = ctx.render(
            self.params.template,
            prompt=row.prompt,
            first=first,
            second=second,
            principle=principle.compare,
            order=order,
        )
        return (await ctx.ask(Request(shown, max_new_tokens=1, temperature=0.0))).text


@hookimpl
def constitutional_stages() -> list[type]:
    return [TwoWays, Letter]
