"""The journal: every answer of a model and every finished row, in SQLite, before anything else sees them.

Calls are kept for ever under a key made of all that decides the answer; rows are kept while their step is unfinished, in a
table of its own, which goes when the step's Parquet file has them.  One transaction holds whatever became ready within a
few milliseconds, so durability costs next to nothing.  Any number of processes may share a journal.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import struct
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from constitutional.errors import RunError, StoreFailed
from constitutional.ids import finite
from constitutional.store import spending
from constitutional.store.answers import FROM_FORMAT_3, TABLES, Answers
from constitutional.store.portions import insert
from constitutional.store.spending import Spent

FORMAT = 4
BUSY_SECONDS = 60.0
#: A checkpoint waits for the disk: another thread makes it after so many letters of text, which are some 16 MiB of
#: pages, since each page is written again for every transaction that touches it, ...
CHECKPOINT_LETTERS = 4 * 1024**2
#: ... and where nobody does, whoever writes does, after 256 MiB.
CHECKPOINT_PAGES = 32_768
#: Rows of two or three kilobytes fit: in pages of half the size each would leave most of one empty.
PAGE_BYTES = 8192
#: Rows of a portion that is read as one text.
READ_TOGETHER = 64
#: What another process wrote is seen so many seconds later at most: a part of what a call takes.
LOOK_SECONDS = 0.01

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
_READ_LINES = f"select max(place), group_concat(outcome, char(10)) from ({_READ_ROWS} limit {READ_TOGETHER})"  # noqa: S608
_COUNT_ROWS = 'select count(*) from "{0}"'
_KEEP_ROW = 'insert or replace into "{0}" values (?, ?, ?)'


def pack(order: Order) -> bytes:
    """Bytes that sort as the tuple does."""
    return struct.pack(f">{len(order)}I", *order)


def unpack(place: bytes) -> Order:
    return struct.unpack(f">{len(place) // 4}I", place)


class Journal:
    """One SQLite file in WAL mode; survives kill -9 at any moment."""

    def __init__(self, path: Path, prepared: bool = False) -> None:
        self.path = path
        #: Values of rows, one after the other, by the statement that inserts one row.
        self._pending: dict[str, list[Any]] = {}
        #: Steps and rows that get another place.
        self._moved: list[tuple[str, str]] = []
        self._count = 0
        self._looked = 0.0
        #: Steps whose table is there.
        self._steps: set[str] = set()
        #: What the calls of a step to a model cost, call by call, by run, step, stage and model.
        self._spent: dict[tuple[str, str, str, str], list[tuple[float, ...]]] = {}
        #: Letters that were kept since the last checkpoint.
        self._letters = 0
        with self._telling():
            if not prepared:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256)
            if not prepared:
                self._prepare()
            self._answers = Answers(self._db)
            self._version = self._data_version()

    def _prepare(self) -> None:
        self._db.execute(f"pragma page_size = {PAGE_BYTES}")
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.execute(f"pragma wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._check_format()
        self._db.executescript(TABLES + spending.TABLE)

    def _data_version(self) -> int:
        """Changes when another connection has written."""
        return int(self._db.execute("pragma data_version").fetchone()[0])

    def _check_format(self) -> None:
        found = self._db.execute("pragma user_version").fetchone()[0]
        if found not in (0, 3, FORMAT):
            raise RunError(f"{self.path} has journal format {found}, this version reads {FORMAT}",
                           help="use the version that wrote it, or move the folder away")  # fmt: skip
        if found == 3:
            self._upgrade()
        if not found:
            self._db.execute(f"pragma user_version = {FORMAT}")

    def _upgrade(self) -> None:
        """Take over what an earlier version kept, whole or not at all."""
        self._db.execute("begin immediate")
        try:
            # Another process may have done it while this one waited for its turn.
            if self._db.execute("pragma user_version").fetchone()[0] == 3:
                for statement in FROM_FORMAT_3.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"pragma user_version = {FORMAT}")
            self._db.execute("commit")
        except BaseException:
            self._roll_back()
            raise

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Errors of SQLite in words: a full disk, a file that was cut, a folder that may not be written."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> StoreFailed:
        return StoreFailed(f"the journal {self.path} cannot be used: {error}",
                           help="make room on the disk and see that it is writable; the same command goes on from what is kept.  "
                                "A journal that is damaged can be moved away: what is in artifacts stays")  # fmt: skip

    def _row(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        try:
            found: tuple[Any, ...] | None = self._db.execute(query, values).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return found

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._telling():
            self._db.execute(statement, values)

    # -- calls -------------------------------------------------------------------------------------------------------

    def answer(self, key: str) -> dict[str, Any] | None:
        """What was answered under this key, or None."""
        try:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._look()
            found = None if self._answers.surely_new(key) else self._answers.find(key)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return _read(found) if found is not None else None

    def _look(self) -> None:
        """See what other processes have done."""
        version, self._looked = self._data_version(), time.monotonic()
        if version != self._version:
            self._version = version
            self._answers.catch_up()

    def keep_answer(self, key: str, model: str, answer: dict[str, Any], replace: bool = False) -> None:
        """Remember an answer with the next `flush`: the first one stays, unless this one is to replace it."""
        text = _text(answer)
        self._answers.keep(key, model, text, replace)
        self._letters += len(text)
        self._count += 1

    # -- what was spent ----------------------------------------------------------------------------------------------

    def add_spent(self, run: str, spent: Spent) -> None:
        """Add to what a run has spent with the next `flush`, in the transaction of the answers that it paid for."""
        key = (run, spent.step, spent.stage, spent.model)
        self._spent.setdefault(key, []).append(spending.amounts(spent))

    def spent(self, run: str | None = None) -> list[Spent]:
        """What a run has spent in its whole life, by step and model; without a name, what all runs here have asked."""
        query, named = (spending.ALL, ()) if run is None else (spending.OF_RUN, (run,))
        with self._telling():
            return [Spent(*row) for row in self._db.execute(query, named)]

    # -- rows --------------------------------------------------------------------------------------------------------

    def outcome(self, step: str, row: str) -> tuple[Order, dict[str, Any]] | None:
        """Where a row of an unfinished step stood and what became of it, or None."""
        if not self._has(step):
            return None
        try:
            found = self._row(_FIND_ROW.format(_table(step)), (row,))
        except StoreFailed:
            self._steps.discard(step)
            if self._has(step):
                raise
            return None  # Another process has finished the step and dropped its table.
        return (unpack(found[0]), _read(found[1])) if found else None

    def go_on(self, step: str) -> int:
        """How many rows of an unfinished step are done, which may be asked for one by one from now on."""
        if self._has(step):
            self._write(_INDEX_ROWS.format(_table(step)), ())
        return self.count(step)

    def move_outcome(self, step: str, row: str, order: Order, outcome: dict[str, Any]) -> None:
        """The same as `keep_outcome` for a row that has another place already."""
        self._moved.append((_table(step), row))
        self.keep_outcome(step, row, order, outcome)

    def keep_last(self, step: str) -> None:
        """Of rows that are there twice, since another process gave them other places, keep those that came last."""
        if self._has(step):
            self._write(_LAST_OF_ROWS.format(_table(step)), ())

    def keep_outcome(self, step: str, row: str, order: Order, outcome: dict[str, Any]) -> None:
        """Remember what became of a row with the next `flush`."""
        text = _text(outcome)
        self._pending.setdefault(_keep_row(step), []).extend((pack(order), row, text))
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
                yield unpack(place), _read(outcome)

    def lines(self, step: str, after: Order = (), below: Order | None = None) -> Iterator[tuple[Order, bytes]]:
        """What `outcomes` gives, as it is written: JSON, a line an outcome, many lines at once, with the last one's place."""
        if not self._has(step):
            return
        last, end = pack(after), _end(below)
        with self._telling():
            while True:
                place, text = self._db.execute(_READ_LINES.format(_table(step)), (last, end)).fetchone()
                if place is None:
                    return
                last = place
                yield unpack(place), text.encode()

    def count(self, step: str) -> int:
        """How many rows of an unfinished step are done."""
        found = self._row(_COUNT_ROWS.format(_table(step)), ()) if self._has(step) else None
        return int(found[0]) if found else 0

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

    @property
    def pending(self) -> int:
        """How much waits for the next `flush`."""
        return self._count

    def flush(self) -> None:
        """Commit what is pending in one transaction; on return it survives the process."""
        if not self._count and not self._spent:
            return
        try:
            with self._telling():
                self._db.execute("begin immediate")
                self._see_others()
                self._write_pending()
                self._db.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        self._answers.written()
        self._pending, self._moved, self._spent, self._count = {}, [], {}, 0

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("rollback")

    def _write_pending(self) -> None:
        self._answers.write()
        for table, row in self._moved:
            self._db.execute(_MOVE_ROW.format(table), (row,))
        for statement, values in self._pending.items():
            insert(self._db, statement, 3, values)
        if self._spent:
            self._db.executemany(
                spending.ADD, [(*key, *map(sum, zip(*costs, strict=True))) for key, costs in self._spent.items()]
            )

    @property
    def wants_checkpoint(self) -> bool:
        return self._letters >= CHECKPOINT_LETTERS

    def checkpoint(self) -> None:
        """Move what was written into the main file, by a connection of its own: for another thread."""
        self._letters = 0
        with self.reader() as other, contextlib.suppress(sqlite3.Error):
            other._db.execute("pragma wal_checkpoint(passive)")

    def _see_others(self) -> None:
        """Another process may have finished a step that is under way here, and dropped its table."""
        version = self._version
        self._look()
        if version != self._version:
            for step in self._steps:
                self._db.execute(_ROWS.format(_table(step)))

    @contextlib.contextmanager
    def reader(self) -> Iterator[Journal]:
        """The same journal by a connection of its own, for another thread; it sees what is committed."""
        with Journal(self.path, prepared=True) as other:
            yield other

    def close(self) -> None:
        self.flush()
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


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


def _text(value: dict[str, Any]) -> str:
    """JSON, in the fast encoder's words where it says all: it refuses lone surrogates, and makes infinities null."""
    try:
        made = orjson.dumps(value)
    except TypeError:
        return json.dumps(value)
    exact = b"null" not in made or finite(value)
    return made.decode() if exact else json.dumps(value, ensure_ascii=False)


def _read(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = json.loads(text)
    return found
