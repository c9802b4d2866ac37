"""From a source's plain mappings to records: what the columns of a data set mean.

Columns keep TRL's names.  Nothing is guessed: a data set with other names says so under `columns:`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from constitutional.errors import DataError
from constitutional.ids import canonical, digest, source_row_id
from constitutional.records import Prompt, Record, messages

#: Columns that a record makes for itself.
_OWN = {"row_id", "parents", "meta"}


def to_record(rows: Iterable[Mapping[str, Any]], record: type[Record]) -> Iterator[Record]:
    """Each row as a record, with an id made of its content; columns the record does not know ride along in `meta`.

    Raises:
        DataError: with the number of the row, the columns that are there and what is missing.
    """
    seen: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        try:
            known = _prompt_columns(row) if record is Prompt else dict(row)
            print_ = digest(_plain(row))
        except (DataError, ValueError, TypeError) as error:
            raise DataError(f"row {number}: {error}") from error
        yield _made(number, row, known, record, source_row_id(print_, seen[print_]))
        seen[print_] += 1


def _made(number: int, row: Mapping[str, Any], known: Mapping[str, Any], record: type[Record], row_id: str) -> Record:
    names = {f.name for f in fields(record)} - _OWN
    values = {name: value for name, value in known.items() if name in names}
    meta = {name: value for name, value in known.items() if name not in names and name not in _OWN}
    try:
        return record.from_row({**values, "row_id": row_id, "meta": meta})
    except DataError as error:
        have = ", ".join(sorted(map(str, row))) or "none"
        raise DataError(f"row {number}: {error} (its columns: {have})",
                        help="say which column is which: `columns: {prompt: question}`") from error  # fmt: skip


def _prompt_columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """`messages` is a prompt, and its last turn an answer where the assistant has it."""
    if "messages" not in row or "prompt" in row:
        return dict(row)
    turns = messages(row["messages"])
    rest = {name: value for name, value in row.items() if name != "messages"}
    if turns[-1].role == "assistant" and len(turns) > 1:
        return {**rest, "prompt": turns[:-1], "completion": turns[-1].content}
    return {**rest, "prompt": turns}


def _plain(row: Mapping[str, Any]) -> Any:
    canonical(dict(row))
    return dict(row)
