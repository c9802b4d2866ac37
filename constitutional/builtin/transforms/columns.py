"""Columns of a row by name: the record's own, or else the user's."""

from __future__ import annotations

import unicodedata
from dataclasses import fields
from typing import Any

from constitutional.api import Record, UserError

#: Stands for "this row has no such column"; None is a value.
MISSING = object()
#: Columns that hold what somebody said.
TEXTS = ("prompt", "completion", "first", "second", "chosen", "rejected")


def names(record: type[Record]) -> tuple[str, ...]:
    """Columns of a record type."""
    return tuple(f.name for f in fields(record))


def value(row: Record, column: str) -> Any:
    """What a row has in a column, or `MISSING`."""
    if column != "meta" and column in names(type(row)):
        return getattr(row, column)
    return row.meta.get(column, MISSING)


def own(row: Record, column: str, wanted_by: str) -> Any:
    """What a row has in a column of its record type.

    Raises:
        UserError: if rows of this type never have that column.
    """
    if column not in names(type(row)):
        raise UserError(f"`{wanted_by}` needs a column `{column}`, which {row.port} do not have",
                        help=f"{row.port} have: {', '.join(names(type(row)))}")  # fmt: skip
    return getattr(row, column)


def normalised(text: Any) -> str:
    """A text for comparing: one form of each character, lower case, single spaces.  Dialogues turn by turn."""
    if isinstance(text, tuple):
        return "\n".join(f"{turn.role}:{normalised(turn.content)}" for turn in text)
    return " ".join(unicodedata.normalize("NFKC", str(text)).casefold().split())
