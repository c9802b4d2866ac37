"""What labellers that ask a judge say of their rows and calls before a run."""

from __future__ import annotations

from typing import Any, NamedTuple

from constitutional.api import MAIN, Ahead, Asking, Forecast, Range, Rows, exactly, tokens


class Put(NamedTuple):
    """One call of a question: its template, what is read besides, and how much it may write (None: options alone)."""

    template: str
    besides: float = 0.0
    writes: int | None = None


def labelling(params: Any, ahead: Ahead, port: str, times: Range, *puts: Put) -> Forecast:
    """`times` questions for each row, principle and judge, each a row of its own and put by these calls."""
    rows = ahead.rows(port)
    known = len(ahead.principles)
    drawn = known if params.principles == "all" else min(params.principles, known)
    judges = [f"models.{label}" for label in ahead.labels.get("models", ())] or ["model"]
    each = rows.count.by(times).times(drawn)
    about = rows.text.plus(ahead.principle()).plus(_shots(params, ahead))
    asks = [Asking(judge, each, about.plus(exactly(ahead.templates[put.template] + put.besides)), put.writes)
            for judge in judges for put in puts]  # fmt: skip
    return Forecast({MAIN: Rows(each.times(len(judges)), rows.prompt, rows.said)}, asks)


def _shots(params: Any, ahead: Ahead) -> Range:
    """Tokens of the examples before a question: each is put with the question's own template."""
    if isinstance(params.shots, int):
        texts = [sorted(tokens(e.prompt + e.better + e.worse) for e in p.examples) for p in ahead.principles]
        most = max((sum(each[-params.shots :]) for each in texts if params.shots), default=0.0)
        count = params.shots
    else:
        most, count = (
            sum(tokens(" ".join(map(str, shot.model_dump().values()))) for shot in params.shots),
            len(params.shots),
        )
    return Range(0.0, most + count * ahead.templates[params.template])
