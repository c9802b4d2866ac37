"""One figure beside the published one, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from constitutional.api import printable
from constitutional.builtin.math.figures import Figure

SEED = 17


@dataclass(frozen=True)
class Line:
    """A figure of ours, its published value where there is one, and how far apart they may be."""

    study: str
    what: str
    ours: Figure
    published: float | None = None
    #: The largest difference that still counts as the same; None where the two are only set side by side.
    within: float | None = None
    percent: bool = True
    note: str = ""
    #: What stands as `published` is nobody's print but an independent recount of the same files.
    recount: bool = False

    @property
    def agrees(self) -> bool | None:
        """None where nothing is published, or nothing could be measured, or no agreement is claimed."""
        value = self.ours.get("value")
        if self.published is None or self.within is None or not isinstance(value, (int, float)):
            return None
        return abs(value - self.published) <= self.within + 1e-12

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "agrees": self.agrees}


@dataclass(frozen=True)
class Study:
    """All lines of one study, what to beware of, and details that are too long for a table."""

    name: str
    lines: Sequence[Line]
    warnings: Sequence[str] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"lines": [line.to_json() for line in self.lines], "warnings": list(self.warnings), **self.details}


def plain(value: float, n: int, method: str = "count") -> Figure:
    """A figure that is no estimate: a count, an error or a rank correlation; no value where it is not a number."""
    said = None if math.isnan(value) else float(value)
    return {"value": said, "low": None, "high": None, "n": n, "unscored": 0, "method": method}


def table(lines: Iterable[Line]) -> str:
    """Markdown: ours beside published; † marks a recount."""
    rows = [
        "| what | ours | 95 % interval | n | unscored | published | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*rows, *(_row(line) for line in lines)])


def _row(line: Line) -> str:
    ours, mark = line.ours, {True: "equal", False: "**differs**", None: ""}[line.agrees]
    if line.agrees and line.within:
        mark = f"within {_number(line.within, line.percent)}"
    interval = (
        "" if ours["low"] is None else f"{_number(ours['low'], line.percent)} to {_number(ours['high'], line.percent)}"
    )
    published = "" if line.published is None else _number(line.published, line.percent) + "†" * line.recount
    told = "; ".join(part for part in (mark, line.note) if part)
    cells = (
        line.what,
        _number(ours["value"], line.percent),
        interval,
        str(ours["n"]),
        str(ours["unscored"]),
        published,
        told,
    )
    return "| " + " | ".join(printable(cell).replace("|", "/") for cell in cells) + " |"


def _number(value: Any, percent: bool) -> str:
    if value is None:
        return "-"
    shown = 100 * value if percent else value
    return f"{shown:.3g}" if 0 < abs(shown) < 0.1 else f"{shown:.1f}" if percent else f"{shown:.4g}"
