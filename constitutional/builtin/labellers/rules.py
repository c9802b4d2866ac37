"""Rules that need no judge: deterministic checks as votes on pairs and as ratings of answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import Field

from constitutional.api import (
    Constitution,
    Pair,
    Principle,
    Rating,
    Response,
    RowContext,
    RowStage,
    Stage,
    StageParams,
    Vote,
    derived_row_id,
)
from constitutional.builtin.checks.code import CodeCheck
from constitutional.builtin.checks.length import LengthCheck
from constitutional.builtin.checks.outcome import Check, Outcome, looked
from constitutional.builtin.checks.pattern import PatternCheck
from constitutional.builtin.checks.personal import PersonalCheck
from constitutional.builtin.principles import selected

AnyCheck: TypeAlias = Annotated[
    PatternCheck | LengthCheck | PersonalCheck | CodeCheck, Field(discriminator="check")
]  # fmt: skip

JUDGE = "rules"
BOTH_KEEP, BOTH_BREAK = "both keep the rule", "both break the rule"


class RuleParams(StageParams):
    """Parameters of stages that check by rules."""

    checks: tuple[AnyCheck, ...] = Field(max_length=256)
    """The rules: each a `check` (`pattern`, `length`, `personal`, `code`) with what it needs."""


class ByRules(Stage):
    """What a labeller by rules sees and refuses, whatever it labels."""

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        return _troubles(params.checks)

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """Those that rules stand for.  Raises `UserError` where there is none of that id."""
        ids = {check.principle for check in params.checks if check.principle is not None}
        return selected(constitution, ids=sorted(ids)) if ids else ()


class Rules(ByRules, RowStage[Pair, Vote]):
    """Vote for the answer that keeps a rule where the other breaks it; no judge is asked.

    A rule says nothing of a pair whose answers both keep or both break it, and abstains.  It has no liking for places,
    so its vote is written in both orders, which is what debiasers read.
    """

    kind, name, version = "labeller", "rules", 1

    class Params(RuleParams):
        """Parameters of `rules`."""

    params: Params

    async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
        import asyncio

        votes = []
        for check in self.params.checks:
            first, second = await asyncio.gather(looked(check, row.first), looked(check, row.second))
            ruling = _compared(first, second)
            raw = json.dumps({"first": list(first.found), "second": list(second.found)})
            for p_first, order in ((ruling.p_first, "ab"), (ruling.p_second, "ba")):
                asked = {"rule": _name(check), "principle": _principle(check), "order": order, "judge": JUDGE}
                made = row.derive(
                    Vote, self.path, pair=row.row_id, principle=_principle(check), order=order, judge=JUDGE,
                    p_first=p_first, abstained=ruling.abstained, raw=raw, weight=check.weight,
                )  # fmt: skip
                votes.append(replace(made, row_id=derived_row_id(self.path, made.parents, 0, asked)))
        return votes


class RuleRatings(ByRules, RowStage[Response, Rating]):
    """Say of each answer whether it keeps each rule; no judge is asked."""

    kind, name, version = "labeller", "rule-ratings", 1

    class Params(RuleParams):
        """Parameters of `rule-ratings`."""

    params: Params

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Rating]:
        ratings = []
        for check in self.params.checks:
            said = await looked(check, row.completion)
            asked = {"rule": _name(check), "principle": _principle(check), "judge": JUDGE}
            made = row.derive(
                Rating, self.path, response=row.row_id, principle=_principle(check), judge=JUDGE, asked="acceptable",
                sample=0, value=None if said.passed is None else float(said.passed), abstained=said.why_not,
                raw=json.dumps({"found": list(said.found)}), weight=check.weight,
            )  # fmt: skip
            ratings.append(replace(made, row_id=derived_row_id(self.path, made.parents, 0, asked)))
        return ratings


class _Ruling(NamedTuple):
    """What a rule says of the answer that stands first, in each order."""

    p_first: float | None
    p_second: float | None
    abstained: str | None


def _compared(first: Outcome, second: Outcome) -> _Ruling:
    if first.passed is None or second.passed is None:
        return _Ruling(None, None, first.why_not or second.why_not or "not found out")
    if first.passed == second.passed:
        return _Ruling(None, None, BOTH_KEEP if first.passed else BOTH_BREAK)
    return _Ruling(float(first.passed), float(second.passed), None)


def _name(check: Any) -> str:
    return str(check.name or check.check)


def _principle(check: Check) -> str:
    return check.principle or f"rule:{_name(check)}"


def _troubles(checks: Sequence[Check]) -> Iterable[str]:
    if not checks:
        yield "`checks` is empty: there is nothing to check by"
    for name, count in Counter(_name(check) for check in checks).items():
        if count > 1:
            yield f"{count} rules are called `{name}`: give each a `name` of its own"
    yield from (f"rule `{_name(check)}`: {said}" for check in checks if (said := check.trouble()))
