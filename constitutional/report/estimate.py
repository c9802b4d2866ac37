"""An estimate as a table for people and as values for programs: ranges stay ranges, and unknown stays unknown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from constitutional.engine.meter import told
from constitutional.events import Amounts, Spending
from constitutional.forecast import LEAST_LETTERS, MOST_LETTERS, Range
from constitutional.plan.estimate import LIMITS, Estimate, Estimates
from constitutional.text import printable

_COLUMNS: Final = ("step", "rows", "calls", "tokens in", "tokens out", "time", "dollars", "known from")


def tell(found: Estimates, spending: Spending) -> list[str]:
    """Lines that show an estimate next to what was spent and may be."""
    table = [_COLUMNS, *(_cells(one) for one in found.steps), _cells(found.total)]
    wide = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip() for row in table]
    return [*lines, "", *_notes(found), *_spent(found.total, spending)]


def to_json(found: Estimates, spending: Spending) -> dict[str, Any]:
    """The same for programs; null stands for an end that is unknown."""
    life = spending.life
    return {
        "steps": [_plain(one) for one in found.steps],
        "total": _plain(found.total),
        "prices": dict(found.priced),
        "unpriced": found.unpriced,
        "spent": {name: getattr(life, name) for name in Amounts.__slots__},
        "budget": dict(spending.limits),
    }


def _plain(one: Estimate) -> dict[str, Any]:
    ranges = {"rows": one.rows, "calls": one.calls, "tokens_in": one.read, "tokens_out": one.written,
              "seconds": one.seconds, "dollars": one.dollars}  # fmt: skip
    return {"step": one.name, **{name: _ends(name, given) for name, given in ranges.items()}, "known_from": one.basis}


def _ends(name: str, given: Range) -> list[float | None]:
    whole = name not in ("seconds", "dollars")
    low = math.floor(given.low + 1e-9) if whole else given.low
    return [low, None if not given.known else math.ceil(given.high - 1e-9) if whole else given.high]


def _cells(one: Estimate) -> tuple[str, ...]:
    free = one.dollars.known and not one.dollars.high and one.calls.high
    dollars = "$0" if free else _range(one.dollars, _dollars)
    rows = "" if one.name == "in all" else _range(one.rows, _count)
    return (printable(one.name), rows, _range(one.calls, _count), _range(one.read, _count), _range(one.written, _count),
            _range(one.seconds, _time), dollars, printable(one.basis))  # fmt: skip


def _range(amount: Range, say: Callable[[float], str]) -> str:
    """`1,200`, `600-1,200`, `<= 1,200`, `>= 600`, `unknown`, or `-` for nothing."""
    if not amount.known:
        return f">= {say(amount.low)}" if amount.low else "unknown"
    if not amount.high:
        return "-"
    low, high = say(amount.low), say(amount.high)
    return high if low == high else f"{low}-{high}" if amount.low else f"<= {high}"


def _count(amount: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if amount >= size:
            return f"{amount / (1e3 if letter == 'k' else size):,.1f}{letter}"
    return f"{round(amount):,}"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _notes(found: Estimates) -> list[str]:
    notes = [
        "ranges are 95 % where they were measured; answers that are known already are not asked again and make it less"
    ]
    if any(LIMITS in one.basis for one in found.steps):
        notes.append(f"{LIMITS}: {LEAST_LETTERS} to {MOST_LETTERS} letters to a token, answers of up to `max_new_tokens`; "
                     "`constitutional preview` measures")  # fmt: skip
    if any(not one.calls.known for one in found.steps):
        notes.append("unknown: the stage does not say what it will ask; `constitutional preview` measures it")
    listed = [(name, source) for name, source in found.priced.items() if source not in ("", "own machine", "the spec")]
    if listed:
        named = ", ".join(f"{printable(name)} ({printable(source)})" for name, source in listed)
        notes.append(f"prices change; those of {named} are from a list")
    if found.unpriced:
        named = ", ".join(f"`{printable(name)}`" for name in found.unpriced)
        notes.append(
            f"the price of {named} is not known: write `price: {{input: …, output: …}}` into the model, or --prices"
        )
    return notes


def _spent(total: Estimate, spending: Spending) -> list[str]:
    """What the run has spent, and the limits of its budget that the rest will or may go beyond."""
    life, limits = spending.life, spending.limits
    lines = [f"spent so far: {told(life)}"] if life.calls else []
    wanted: Sequence[tuple[str, float, Range]] = (
        ("calls", life.calls, total.calls),
        ("tokens", life.tokens, total.read.plus(total.written)),
        ("dollars", life.dollars, total.dollars),
        ("hours", life.hours, total.seconds.times(1 / 3600)),
    )
    for name, spent, more in wanted:
        if name in limits and spent + more.high > limits[name]:
            sure, blank = spent + more.low > limits[name], not more.known
            will = "goes beyond" if sure else "nobody knows whether it keeps to" if blank else "may go beyond"
            lines.append(f"{will} the budget: {name}, {limits[name]:,g}")
    return lines
