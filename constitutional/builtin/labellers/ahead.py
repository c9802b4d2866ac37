"""What labellers that ask a judge will ask, for estimates before the run."""

from __future__ import annotations

from typing import Any, NamedTuple

from constitutional.api import Ahead, Range, Rows, exactly, up_to


class Judged(NamedTuple):
    """Questions to each judge, the tokens of one, who is asked, and the rows that the answers become."""

    calls: Range
    reads: Range
    judges: list[str]
    rows: Rows


def judged(params: Any, ahead: Ahead, port: str, times: int = 1) -> Judged:
    """Each row of a port by each principle, so many `times`; an example before a question is at most twice as long."""
    rows, known = ahead.rows(port), len(ahead.principles)
    principles = known if params.principles == "all" else min(params.principles, known)
    calls = rows.count.times(principles * times)
    shots = getattr(params, "shots", 0)
    reads = rows.text.plus(exactly(ahead.templates[params.template])).plus(ahead.principle())
    reads = reads.plus(up_to(2 * reads.high * (shots if isinstance(shots, int) else len(shots))))
    judges = [f"models.{label}" for label in ahead.labels.get("models", ())] or ["model"]
    return Judged(calls, reads, judges, Rows(calls.times(len(judges)), rows.prompt, rows.said))


def orders(params: Any) -> int:
    """How often a pair is asked about for the sake of position."""
    return 2 if params.orders == "both" else 1
