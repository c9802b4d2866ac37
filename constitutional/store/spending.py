"""What runs have spent: sums by run, step and model, in the journal's file and in the answers' own transactions.

An answer that survives a crash is counted, and one that is lost is not.  Sums of squares are kept beside the sums, so that
a mean has an interval; `waits` beside `seconds`, so that one knows how much was in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from constitutional.store.journal import Journal

#: The `model` of the row that holds a run's hours at work.
CLOCK = ""

TABLE = """
create table if not exists spent (
  run text not null, step text not null, stage text not null, model text not null, calls integer not null,
  read integer not null, written integer not null, read_squared real not null, written_squared real not null,
  seconds real not null, waits real not null, dollars real not null, unpriced integer not null,
  primary key (run, step, stage, model)) without rowid;
"""


class Spent(NamedTuple):
    """What the calls of one step to one model came to; a tuple, since one is made for every call."""

    step: str
    #: `kind/name`.
    stage: str
    #: The model's own name.
    model: str
    calls: int = 0
    #: Tokens of prompts, and the sum of their squares over the calls.
    read: int = 0
    #: Tokens of answers.
    written: int = 0
    read_squared: float = 0.0
    written_squared: float = 0.0
    #: The calls' shares of the time: what goes on at once shares it, so the sum is time by the clock.
    seconds: float = 0.0
    #: The calls' own times from asking to answer; `waits / seconds` is how many were in flight on average.
    waits: float = 0.0
    #: By the price of the day on which it was asked.
    dollars: float = 0.0
    #: Calls whose price nobody knew: `dollars` has nothing of them.
    unpriced: int = 0


_KEYS = 3
_AMOUNTS = Spent._fields[_KEYS:]
ADD = (
    f"insert into spent values ({', '.join('?' * (len(_AMOUNTS) + _KEYS + 1))}) on conflict do update set "  # noqa: S608
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _AMOUNTS)
)
_SUMS = ", ".join(f"sum({name})" for name in _AMOUNTS)
ALL = f"select step, stage, model, {_SUMS} from spent where step <> '' group by step, stage, model"  # noqa: S608
OF_RUN = f"select step, stage, model, {_SUMS} from spent where run = ? group by step, stage, model"  # noqa: S608


class Book:
    """Where one run's spending is written down; `life` names the runs whose spending counts as this one's."""

    def __init__(self, journal: Journal, run: str, life: Sequence[str]) -> None:
        self._journal = journal
        self._run = run
        self._life = life

    def before(self) -> list[Spent]:
        """What was spent so far."""
        return [spent for run in self._life for spent in self._journal.spent(run)]

    def add(self, spent: Spent) -> None:
        """Add to it with the journal's next flush."""
        self._journal.add_spent(self._run, spent)

    def flush(self) -> None:
        self._journal.flush()


def amounts(spent: Spent) -> tuple[float, ...]:
    """What is added up, in the order of the table."""
    found: tuple[float, ...] = spent[_KEYS:]  # type: ignore[assignment]  # after the keys there are numbers alone
    return found
