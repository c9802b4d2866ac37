"""Outcomes: what became of each row of a step that is under way, a table a step, which goes when its Parquet file has them."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from constitutional.errors import StoreFailed
from constitutional.store.database import Database, as_text, as_value
from constitutional.store.portions import insert

#: Rows of a portion that is read as one text.
READ_TOGETHER = 64

#: Values in each row.
_WIDTH = 3

#: Where a row stands in its step: the position of its ancestor, then which output of which stage it is.
Order = tuple[int, ...]

#: One table a step, since dropping a table is quick and deleting its rows is not.
_ROWS = 'create table if not exists "{0}" (place blob not null unique, row text not null, outcome text not null)'
#: Who goes on with a step asks for its rows; nobody else does, and an index costs more than all else.
_INDEX_ROWS = 'create index if not exists "{0}_row" on "{0}" (row)'
_FIND_ROW = 'select place, outcome from "{0}" where row = ? order by rowid desc limit 1'
_MOVE_ROW = 'delete from "{0}" where row = ?'
_LAST_OF_ROWS = 'delete from "{0}" where rowid not in (select max(rowid) from "{0}" group by row)'
_READ_ROWS = 'select place, outcome from "{0}" where place > ? and place < ? order by place'
#: One row for many: with each that is fetched, the interpreter's lock is given away and has to be waited for.
_READ_LINES = f"select max(place), group_concat(outcome, char(10)) from ({_READ_ROWS} limit {{1}})"  # noqa: S608
_COUNT_TWINS = 'select count(*) - count(distinct row) from "{0}"'
_LENGTHS = 'select distinct length(place) from "{0}"'
_INSERTIONS = 'select max(rowid) from "{0}"'
_COUNT_ROWS = 'select count(*) from "{0}"'
_KEEP_ROW = 'insert or replace into "{0}" values (?, ?, ?)'


def pack(order: Order) -> bytes:
    """Bytes that sort as the tuple does."""
    return struct.pack(f">{len(order)}I", *order)


def unpack(place: bytes) -> Order:
    return struct.unpack(f">{len(place) // 4}I", place)


class Outcomes(Database):
    """The outcomes of one journal; `_write_outcomes` belongs into its transactions."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        #: Values of rows, one after the other, by the statement that inserts one row.
        self._outcomes: dict[str, list[Any]] = {}
        #: Steps and rows that get another place.
        self._moved: list[tuple[str, str]] = []
        #: How many rows were inserted here, by the statement that inserts one.
        self._inserted: Counter[str] = Counter()
        #: Steps whose table is there.
        self._steps: set[str] = set()
        #: How much waits for the next transaction, and the letters that were kept since the last checkpoint.
        self._count = 0
        self._letters = 0

    def outcome(self, step: str, row: str) -> tuple[Order, dict[str, Any]] | None:
        """Where a row of an unfinished step stood and what became of it, or None."""
        found = self._of_step(step, _FIND_ROW, row)
        return (unpack(found[0]), as_value(found[1])) if found else None

    def go_on(self, step: str) -> int:
        """How many rows of an unfinished step are done, which may be asked for one by one from now on."""
        self._of_step(step, _INDEX_ROWS)
        return self.count(step)

    def move_outcome(self, step: str, row: str, order: Order, outcome: dict[str, Any]) -> None:
        """The same as `keep_outcome` for a row that has another place already."""
        self._moved.append((_table(step), row))
        self.keep_outcome(step, row, order, outcome)

    def keep_last(self, step: str) -> None:
        """Of rows that are there twice, since another process gave them other places, keep those that came last."""
        self._of_step(step, _LAST_OF_ROWS)

    def keep_outcome(self, step: str, row: str, order: Order, outcome: dict[str, Any]) -> None:
        """Remember what became of a row with the next `flush`."""
        text = as_text(outcome)
        self._outcomes.setdefault(_keep_row(step), []).extend((pack(order), row, text))
        self._letters += len(text)
        self._count += 1
        if step not in self._steps:
            self._write(_ROWS.format(_table(step)), ())
            self._steps.add(step)

    def outcomes(
        self, step: str, after: Order = (), below: Order | None = None
    ) -> Iterator[tuple[Order, dict[str, Any]]]:
        """Outcomes of a step with their places, in the order of its rows, streamed: those past `after` and before `below`."""
        if not self._has(step):
            return
        with self._telling():
            for place, outcome in self._db.execute(_READ_ROWS.format(_table(step)), (pack(after), _end(below))):
                yield unpack(place), as_value(outcome)

    def lines(self, step: str, after: Order = (), below: Order | None = None) -> Iterator[tuple[Order, bytes]]:
        """What `outcomes` gives, as it is written: JSON, a line an outcome, many lines at once, with the last one's place."""
        if not self._has(step):
            return
        last, end = pack(after), _end(below)
        while True:
            place, text = self._lines_after(step, last, end)
            if place is None:
                return
            last = place
            yield unpack(place), text.encode()

    def _lines_after(self, step: str, last: bytes, end: bytes) -> tuple[Any, Any]:
        with self._telling():
            try:
                return self._portion(step, READ_TOGETHER, last, end)
            except sqlite3.DataError:
                # All of them together are more than a text may be.
                return self._portion(step, 1, last, end)

    def _portion(self, step: str, most: int, last: bytes, end: bytes) -> tuple[Any, Any]:
        found: tuple[Any, Any] = self._db.execute(_READ_LINES.format(_table(step), most), (last, end)).fetchone()
        return found

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What others write meanwhile is not seen: for a connection that only reads."""
        with self._telling():
            self._db.execute("begin")
        try:
            yield
        finally:
            self._roll_back()

    def untouched(self, step: str, inserted: int) -> bool:
        """Whether the rows of a step are those that were inserted here, so many, and no others ever were there."""
        found = self._of_step(step, _INSERTIONS)
        return ((found and found[0]) or 0) == inserted

    def without_twins(self, step: str) -> bool:
        """Whether every row of a step has one place."""
        found = self._of_step(step, _COUNT_TWINS)
        return not found or not found[0]

    def depths(self, step: str) -> set[int]:
        """How many positions the places of a step have."""
        if not self._has(step):
            return set()
        with self._telling():
            return {int(length) // 4 for (length,) in self._db.execute(_LENGTHS.format(_table(step)))}

    def inserted(self, step: str) -> int:
        """How many outcomes of a step have been committed here."""
        return self._inserted[_keep_row(step)]

    def count(self, step: str) -> int:
        """How many rows of an unfinished step are done."""
        found = self._of_step(step, _COUNT_ROWS)
        return int(found[0]) if found else 0

    def _of_step(self, step: str, statement: str, *values: Any) -> tuple[Any, ...] | None:
        """Run a statement on a step's table; its first row, None where it has none or there is no such table."""
        if not self._has(step):
            return None
        try:
            return self._row(statement.format(_table(step)), values)
        except StoreFailed:
            # Another process may have finished the step and dropped its table meanwhile.
            self._steps.discard(step)
            if self._has(step):
                raise
            return None

    def forget(self, step: str) -> None:
        """Drop the rows of a step whose artifact is safe."""
        self._steps.discard(step)
        self._write(f'drop table if exists "{_table(step)}"', ())

    def _has(self, step: str) -> bool:
        if step not in self._steps:
            found = self._row("select 1 from sqlite_master where type = 'table' and name = ?", (_table(step),))
            if found is None:
                return False
            self._steps.add(step)
        return True

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write_outcomes(self) -> None:
        for table, row in self._moved:
            self._db.execute(_MOVE_ROW.format(table), (row,))
        for statement, values in self._outcomes.items():
            insert(self._db, statement, _WIDTH, values)

    def _outcomes_written(self) -> None:
        for statement, values in self._outcomes.items():
            self._inserted[statement] += len(values) // _WIDTH
        self._outcomes, self._moved = {}, []

    def _make_tables(self) -> None:
        """Another process may have finished a step that is under way here, and dropped its table."""
        for step in self._steps:
            self._db.execute(_ROWS.format(_table(step)))


@lru_cache(maxsize=256)
def _keep_row(step: str) -> str:
    return _KEEP_ROW.format(_table(step))


def _end(below: Order | None) -> bytes:
    """What comes after all that is read: no place has more than a few positions, and none is as long as this."""
    return pack(below) if below is not None else b"\xff" * 64


def _table(step: str) -> str:
    """The name of a step's table: a fingerprint, so there is nothing in it to be quoted."""
    if not step.isalnum():
        raise ValueError(f"not a fingerprint: {step!r}")
    return f"rows_{step}"
