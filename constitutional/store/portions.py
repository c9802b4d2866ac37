"""Portions: many rows with one statement, in a few sizes, so that the statements stay prepared.

SQLite takes a portion without giving the interpreter's lock away between its rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

SIZES = (64, 16, 4, 1)


def insert(db: sqlite3.Connection, statement: str, width: int, values: Sequence[Any]) -> int:
    """Run a statement that inserts one row of `width` values for all rows, whose values follow one another.

    Returns the id of the last row, -1 where there is none; within a transaction the others' come right before it.
    """
    start, last = 0, -1
    for size in SIZES:
        step = size * width
        while len(values) - start >= step:
            last = db.execute(_many(statement, width, size), values[start : start + step]).lastrowid or -1
            start += step
    return last


@lru_cache(maxsize=1024)
def _many(statement: str, width: int, rows: int) -> str:
    return statement + f", ({', '.join('?' * width)})" * (rows - 1)
