"""The audited sample: verdicts of people on some of the answers that a judge has seen, found by what was judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from constitutional.api import DataError, Messages, Port, Preference, Rating, Record, Score, Vote, canonical, to_json
from constitutional.builtin.math.probability import mean

#: What was judged: a dialogue and its answers, in order.
Judged: TypeAlias = tuple[bytes, ...]

PORT = Port(Record, many=True, optional=True,
            about="verdicts of people on some of the same answers: preferences, or scores of single responses")  # fmt: skip


class Audit:
    """What people said.  Where several judged the same, their mean counts, so that it may lie between 0 and 1."""

    def __init__(self, rows: Iterable[Record] = ()) -> None:
        """Raises `DataError` for records that hold no verdict of people."""
        said: dict[Judged, list[float]] = {}
        for row in rows:
            if isinstance(row, Preference):
                said.setdefault(_judged(row.prompt, row.chosen, row.rejected), []).append(row.p_chosen)
                said.setdefault(_judged(row.prompt, row.rejected, row.chosen), []).append(1.0 - row.p_chosen)
            elif isinstance(row, Score):
                said.setdefault(_judged(row.prompt, row.completion), []).append(row.score)
            else:
                raise DataError(f"{row.port} are no verdicts of people",
                                help="an `audit` is made of preferences or of scores")  # fmt: skip
        self._said: Mapping[Judged, float] = {judged: mean(values) for judged, values in said.items()}

    def __bool__(self) -> bool:
        return bool(self._said)

    def verdict(self, row: Any) -> float | None:
        """How much people agree with what the row's probability speaks for, in [0, 1]; None where they did not say.

        For a vote that is the answer shown first, for a preference the chosen one, for a score that it is good.
        """
        return self._said.get(judged(row))


def judged(row: Any) -> Judged:
    """What a row judges, in the order of its probability."""
    if isinstance(row, Vote):
        return _judged(row.prompt, *((row.first, row.second) if row.order == "ab" else (row.second, row.first)))
    if isinstance(row, Preference):
        return _judged(row.prompt, row.chosen, row.rejected)
    if isinstance(row, (Score, Rating)):
        return _judged(row.prompt, row.completion)
    return ()


def subject(row: Any) -> Judged:
    """What a row judges, whatever the order: rows of one subject belong together in a bootstrap and a fold."""
    found = judged(row)
    return (*found[:1], *sorted(found[1:]))


def _judged(prompt: Messages, *answers: str) -> Judged:
    return (canonical(to_json(prompt)), *(answer.encode() for answer in answers))
