"""One SQLite file, whose errors are said in words; and JSON as it is kept there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from constitutional.errors import StoreFailed
from constitutional.ids import finite

BUSY_SECONDS = 60.0


class Database:
    """A connection to the journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._telling():
            self._db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=256)

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

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("rollback")


def as_text(value: dict[str, Any]) -> str:
    """JSON, in the fast encoder's words where it says all: it refuses lone surrogates, and makes infinities null."""
    try:
        made = orjson.dumps(value)
    except TypeError:
        return json.dumps(value)
    exact = b"null" not in made or finite(value)
    return made.decode() if exact else json.dumps(value, ensure_ascii=False)


def as_value(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = json.loads(text)
    return found
