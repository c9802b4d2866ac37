"""Rewrite an answer in the light of a critique."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Ask,
    Asking,
    Capability,
    Completion,
    Constitution,
    Critique,
    Forecast,
    Principle,
    Range,
    Request,
    Response,
    Round,
    RowContext,
    RowStage,
    StageParams,
    TemplateName,
    UserError,
    exactly,
)
from constitutional.builtin.revisers.leaks import without_leaks

#: What becomes of a revision that is not what was hoped for.
Remedy: TypeAlias = Literal["original", "keep", "drop"]


class Rewrite(RowStage[Critique, Response]):
    """Ask a model to rewrite an answer as its critique and principle say (Bai et al. 2022, section 3.1).

    Where the critique found nothing, the answer stays and no model is asked.  A revision is never taken on trust: one
    that changes nothing, is empty, runs away or was cut off is flagged, and a parameter says what becomes of it.  Every
    round is kept with the row as it was, whatever becomes of its revision.
    """

    kind, name, version = "reviser", "rewrite", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `rewrite`."""

        template: TemplateName = "revision/bai2022"
        """The prompt; it is given `prompt`, `response`, `principle` and `critique`."""
        skip_clean: bool = True
        """Leave an answer as it is where the critique found no violation."""
        temperature: float = Field(default=0.7, ge=0.0, le=10.0)
        """How freely to sample the revision; 0 always takes the most likely token."""
        top_p: float = Field(default=1.0, gt=0.0, le=1.0)
        """Sample among the most likely tokens that together have this probability; 1 leaves none out."""
        max_new_tokens: int = Field(default=256, ge=1)
        """A revision is cut off after this many tokens."""
        stop: tuple[str, ...] = ()
        """Texts that end a revision."""
        strip_leaks: bool = True
        """Take away "Sure, here is a revised response:" and quotes around the whole text."""
        max_growth: float = Field(default=4.0, gt=0.0)
        """A revision longer than this many times the answer (and than `room` characters) is flagged `runaway`."""
        room: int = Field(default=400, ge=0)
        """Length in characters that is never a `runaway`, so that short answers may grow."""
        on_no_op: Remedy = "keep"
        """What to do where the revision says the same as the answer: `original`, `keep` (both flagged) or `drop`."""
        on_empty: Remedy = "drop"
        """What to do with an empty revision."""
        on_runaway: Remedy = "drop"
        """What to do with a revision that ran away."""
        on_length: Remedy = "keep"
        """What to do with a revision that was cut off at `max_new_tokens`."""

    params: Params

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """All: a critique may name any of them."""
        return constitution.principles

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        """Critiques that find nothing are not asked about, so the calls are at most one a row."""
        rows = ahead.rows("critiques")
        reads = rows.text.plus(exactly(ahead.templates[params.template])).plus(ahead.principle())
        calls = rows.count.or_less() if params.skip_clean else rows.count
        said = Range(0, max(rows.said.high, params.max_new_tokens))
        asks = Asking("model", calls, reads, params.max_new_tokens)
        return Forecast({MAIN: replace(rows, count=rows.count.or_less(), said=said)}, [asks])

    async def process(self, row: Critique, ctx: RowContext) -> Sequence[Response]:
        """Raises `UserError` where the critique names a principle that the constitution has not."""
        if self.params.skip_clean and not row.violation:
            return [self._kept(row, revision=None, reviser=None, flags=row.flags)]
        said = await ctx.ask(self._request(row, ctx))
        text = without_leaks(said.text) if self.params.strip_leaks else said.text.strip()
        flags = self._flags(row, text, said)
        remedies = {self._remedy(flag): flag for flag in reversed(flags)}
        if "drop" in remedies:
            ctx.drop(remedies["drop"])
        if "original" in remedies:
            return [self._kept(row, text, ctx.model_label(), flags)]
        return [self._revised(row, text, ctx.model_label(), flags, said.finish_reason)]

    def _request(self, row: Critique, ctx: RowContext) -> Request:
        principle = _principle(ctx.constitution, row.principle)
        shown = ctx.render(self.params.template, prompt=row.prompt, response=row.completion,
                           principle=principle.to_json(), critique=row.critique)  # fmt: skip
        return Request(shown, max_new_tokens=self.params.max_new_tokens, temperature=self.params.temperature,
                       top_p=self.params.top_p, stop=self.params.stop, sample=row.sample)  # fmt: skip

    def _flags(self, row: Critique, text: str, said: Completion) -> tuple[str, ...]:
        """What is odd about a revision."""
        found = []
        if not text:
            found.append("empty")
        elif text.split() == row.completion.split():
            found.append("no-op")
        if len(text) > max(self.params.room, self.params.max_growth * len(row.completion)):
            found.append("runaway")
        if said.finish_reason == "length":
            found.append("length")
        return tuple(found)

    def _remedy(self, flag: str) -> Remedy:
        remedies: dict[str, Remedy] = {"no-op": self.params.on_no_op, "empty": self.params.on_empty,
                                       "runaway": self.params.on_runaway, "length": self.params.on_length}  # fmt: skip
        return remedies[flag]

    def _kept(self, row: Critique, revision: str | None, reviser: str | None, flags: tuple[str, ...]) -> Response:
        return row.derive(Response, self.path, rounds=(*row.rounds, _round(row, revision, reviser)), flags=flags)

    def _revised(self, row: Critique, text: str, reviser: str, flags: tuple[str, ...], finish_reason: str) -> Response:
        return row.derive(Response, self.path, completion=text, model=reviser, finish_reason=finish_reason,
                          rounds=(*row.rounds, _round(row, text, reviser)), flags=flags)  # fmt: skip


def _round(row: Critique, revision: str | None, reviser: str | None) -> Round:
    return Round(row.principle, row.completion, row.critique, revision, row.critic, reviser)


def _principle(constitution: Constitution, id: str) -> Principle:
    try:
        return constitution[id]
    except KeyError:
        raise UserError(f"a critique names the principle `{id}`, which the constitution `{constitution.name}` has not",
                        help="revise with the constitution that the critiques were made with") from None  # fmt: skip
