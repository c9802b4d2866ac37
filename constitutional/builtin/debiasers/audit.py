"""The audited sample: verdicts of people on some of the answers that a judge has seen, found by what was judged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from constitutional.api import DataError, Messages, Port, Preference, Rating, Record, Score, Vote, canonical, to_json
from constitutional.builtin.math.probability import mean

#: What was judged: a dialogue and its answers, in order.
Judged: TypeAlias = tuple[bytes, ...]

PORT = Port(Record, many=True, optional=True,
            about="verdicts of people on some of the same answers: preferences, or scores of single responses")  # fmt: skip


class Audit:
    """What people said.  Where several judged the same, their mean counts, so that it may lie between 0 and 1.

    A verdict under a principle that some of the votes were given under (`voted`) says nothing of votes under
    another: people may well find one answer kinder and the other safer.  Any other verdict is one on the pair.
    """

    def __init__(self, rows: Iterable[Record] = (), voted: Collection[str] = ()) -> None:
        """`voted` names the principles of the votes that are to be held against people.

        Raises:
            DataError: for records that hold no verdict of people.
        """
        said: dict[Judged, list[float]] = {}
        under: dict[tuple[str | None, Judged], list[float]] = {}
        for row in rows:
            for what, value in _verdicts(row):
                said.setdefault(what, []).append(value)
                for principle in _under(row, voted):
                    under.setdefault((principle, what), []).append(value)
        self._said: Mapping[Judged, float] = {what: mean(values) for what, values in said.items()}
        self._under: Mapping[tuple[str | None, Judged], float] = {at: mean(values) for at, values in under.items()}

    def __bool__(self) -> bool:
        return bool(self._said)

    def verdict(self, row: Any) -> float | None:
        """How much people agree with what the row's probability speaks for, in [0, 1]; None where they did not say.

        For a vote that is the answer shown first, for a preference the chosen one, for a score that it is good.
        """
        what = judged(row)
        if isinstance(row, Vote):
            return self._under.get((row.principle, what), self._under.get((None, what)))
        return self._said.get(what)


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


def _verdicts(row: Record) -> Iterator[tuple[Judged, float]]:
    """What a verdict speaks of, both ways round where there are two answers."""
    if isinstance(row, Preference):
        yield _judged(row.prompt, row.chosen, row.rejected), row.p_chosen
        yield _judged(row.prompt, row.rejected, row.chosen), 1.0 - row.p_chosen
    elif isinstance(row, Score):
        yield _judged(row.prompt, row.completion), row.score
    else:
        raise DataError(f"{row.port} are no verdicts of people", help="an `audit` is made of preferences or of scores")


def _under(row: Any, voted: Collection[str]) -> Sequence[str | None]:
    """The principles whose votes a verdict speaks of; None stands for all of them."""
    return [principle for principle in row.principles if principle in voted] or [None]


def _judged(prompt: Messages, *answers: str) -> Judged:
    return (canonical(to_json(prompt)), *(answer.encode() for answer in answers))
