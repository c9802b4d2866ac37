"""Keep the rows that meet typed conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from pydantic import Field

from constitutional.api import MAIN, Ahead, Forecast, Record, RowContext, RowStage, StageParams
from constitutional.api import (
    Params as Group,
)
from constitutional.builtin.transforms.columns import MISSING, own, value

Scalar: TypeAlias = str | bool | int | float | None


class Flags(Group):
    """Conditions on the flags of a response."""

    any_of: tuple[str, ...] = ()
    """Keep rows with at least one of these."""
    none_of: tuple[str, ...] = ()
    """Keep rows with none of these."""


class Filter(RowStage[Record, Record]):
    """Keep the rows that meet every condition; the ledger names the first that each other row failed.

    Columns are the record's own, or the user's own columns of the data.
    """

    kind, name, version = "transform", "filter", 1

    class Params(StageParams):
        """Parameters of `filter`."""

        where: dict[str, tuple[Scalar, ...] | Scalar] = Field(default_factory=dict)
        """By column, the value or the list of values to keep: `{category: [billing, login]}`."""
        where_not: dict[str, tuple[Scalar, ...] | Scalar] = Field(default_factory=dict)
        """By column, the value or the list of values to drop; a row without the column stays."""
        at_least: dict[str, float] = Field(default_factory=dict)
        """By column, the smallest number to keep: `{p_chosen: 0.7}`."""
        at_most: dict[str, float] = Field(default_factory=dict)
        """By column, the largest number to keep."""
        flags: Flags | None = None
        """Conditions on what a reviser noticed: `{none_of: [no-op, runaway]}`."""
        text: str = "completion"
        """The column whose length is measured."""
        min_length: int | None = Field(default=None, ge=0)
        """The fewest characters to keep."""
        max_length: int | None = Field(default=None, ge=0)
        """The most characters to keep."""
        finish_reason: tuple[str, ...] | None = None
        """Keep rows whose text ended for one of these reasons: `[stop]` leaves out what was cut off."""
        changed: bool | None = None
        """Keep answers that were revised into something else than they were at first; or, with `false`, the others."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if not params.model_fields_set - {"text"}:
            yield "there is no condition: every row would pass"
        if None not in (params.min_length, params.max_length) and params.min_length > params.max_length:
            yield "`min_length` is larger than `max_length`: no row would pass"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("rows")
        return Forecast({MAIN: replace(rows, count=rows.count.or_less())})

    async def process(self, row: Record, ctx: RowContext) -> Sequence[Record]:
        """Raises `UserError` where a condition needs a column that rows of this type never have."""
        for reason in self._objections(row):
            ctx.drop(reason)
        return [row]

    def _objections(self, row: Record) -> Iterator[str]:
        p = self.params
        yield from (f"where: {column}" for column, kept in p.where.items() if not _among(value(row, column), kept))
        yield from (f"where_not: {column}" for column, gone in p.where_not.items() if _among(value(row, column), gone))
        yield from (f"at_least: {column}" for column, low in p.at_least.items() if not _number(row, column, low, None))
        yield from (f"at_most: {column}" for column, high in p.at_most.items() if not _number(row, column, None, high))
        yield from self._flag_objections(row)
        yield from self._length_objections(row)
        if p.finish_reason is not None and (found := own(row, "finish_reason", "finish_reason")) not in p.finish_reason:
            yield f"finish_reason: {found}"
        if p.changed is not None and _changed(row) != p.changed:
            yield "unchanged" if p.changed else "changed"

    def _flag_objections(self, row: Record) -> Iterator[str]:
        if self.params.flags is None:
            return
        flags = own(row, "flags", "flags")
        yield from (f"flag: {flag}" for flag in self.params.flags.none_of if flag in flags)
        wanted = self.params.flags.any_of
        if wanted and not set(wanted) & set(flags):
            yield f"no flag {' or '.join(wanted)}"

    def _length_objections(self, row: Record) -> Iterator[str]:
        low, high = self.params.min_length, self.params.max_length
        if low is None and high is None:
            return
        length = len(own(row, self.params.text, "min_length and max_length") or "")
        if low is not None and length < low:
            yield f"shorter than {low}"
        if high is not None and length > high:
            yield f"longer than {high}"


def _among(found: Any, wanted: tuple[Scalar, ...] | Scalar) -> bool:
    """Whether a value is one of those; `true` is not 1, and a column of several values needs one that is."""
    if found is MISSING:
        return False
    values = found if isinstance(found, (tuple, list)) else (found,)
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(_equal(one, other) for one in values for other in allowed)


def _equal(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _number(row: Record, column: str, low: float | None, high: float | None) -> bool:
    """Whether a column holds a number within bounds; what is no number is not within any."""
    found = value(row, column)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return False
    return (low is None or found >= low) and (high is None or found <= high)


def _changed(row: Record) -> bool:
    rounds = own(row, "rounds", "changed")
    return bool(rounds) and bool(rounds[0].response.split() != own(row, "completion", "changed").split())
