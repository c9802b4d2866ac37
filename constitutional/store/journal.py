"""The journal: every answer of a model before anything else sees it, and every finished row ahead of all that follows from it.

Calls are kept for ever under a key made of all that decides the answer; rows are kept while their step is unfinished, in a
table of its own, which goes when the step's Parquet file has them.  One transaction holds whatever became ready within a
few milliseconds, so durability costs next to nothing.  Any number of processes may share a journal.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from constitutional.errors import RunError
from constitutional.store import spending
from constitutional.store.answers import FROM_FORMAT_3, TABLES, Answers
from constitutional.store.database import as_text, as_value
from constitutional.store.outcomes import Outcomes
from constitutional.store.spending import Spent

FORMAT = 4
#: A checkpoint waits for the disk: another thread makes it after so many letters of text, which are some 16 MiB of
#: pages, since each page is written again for every transaction that touches it, ...
CHECKPOINT_LETTERS = 4 * 1024**2
#: ... and where nobody does, whoever writes does, after 256 MiB.
CHECKPOINT_PAGES = 32_768
#: Rows of two or three kilobytes fit: in pages of half the size each would leave most of one empty.
PAGE_BYTES = 8192
#: What another process wrote is seen so many seconds later at most: a part of what a call takes.
LOOK_SECONDS = 0.01


class Journal(Outcomes):
    """One SQLite file in WAL mode; survives kill -9 at any moment."""

    def __init__(self, path: Path, prepared: bool = False) -> None:
        if not prepared:
            path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path)
        self._looked = 0.0
        #: Whether another process has written since tables were last seen to be there.
        self._changed = False
        #: What the calls of a step to a model cost, call by call, by run, step, stage and model.
        self._spent: dict[tuple[str, str, str, str], list[tuple[float, ...]]] = {}
        with self._telling():
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

    # -- calls -------------------------------------------------------------------------------------------------------

    def answer(self, key: str) -> dict[str, Any] | None:
        """What was answered under this key, or None."""
        try:
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._look()
            found = None if self._answers.surely_new(key) else self._answers.find(key)
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return as_value(found) if found is not None else None

    def _look(self) -> None:
        """See what other processes have done."""
        version, self._looked = self._data_version(), time.monotonic()
        if version != self._version:
            self._version, self._changed = version, True
            self._answers.catch_up()

    def keep_answer(self, key: str, model: str, answer: dict[str, Any], replace: bool = False) -> None:
        """Remember an answer with the next `flush`: the first one stays, unless this one is to replace it."""
        text = as_text(answer)
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
                self._look()
                if self._changed:
                    self._make_tables()
                self._write_pending()
                self._db.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        self._answers.written()
        self._outcomes_written()
        self._changed, self._spent, self._count = False, {}, 0

    def _write_pending(self) -> None:
        self._answers.write()
        self._write_outcomes()
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
