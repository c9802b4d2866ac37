"""From a source's plain mappings to records: what the columns of a data set mean.

Columns keep TRL's names.  Nothing is guessed: a data set with other names says so under `columns:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, get_type_hints
from uuid import UUID

from constitutional.errors import DataError
from constitutional.ids import canonical, digest, source_row_id
from constitutional.records import Preference, Prompt, Record, messages
from constitutional.twins import Twins

#: Columns that a record makes for itself.
_OWN = {"row_id", "parents", "meta"}
#: Columns that hold a probability, of records that have them.
_SHARES = frozenset({"p_first", "p_chosen", "score"})


def to_record(rows: Iterable[Mapping[str, Any]], record: type[Record]) -> Iterator[Record]:
    """Each row as a record, with an id made of its content; columns the record does not know ride along in `meta`.

    Raises:
        DataError: with the number of the row, the columns that are there and what is missing.
    """
    twins = Twins()
    simple = _simple(record)
    shares = _SHARES.intersection(f.name for f in fields(record))
    for number, given in enumerate(rows, start=1):
        try:
            row = {str(name): _plain(str(name), value) for name, value in given.items()}
            content = digest(row)
            known = _dialogues(row, record)
            _check(known, simple, shares)
        except (DataError, ValueError, TypeError, RecursionError) as error:
            raise DataError(f"row {number}: {error}") from error
        yield _made(number, row, known, record, source_row_id(content, twins.occurrence(content)))


def _made(number: int, row: Mapping[str, Any], known: Mapping[str, Any], record: type[Record], row_id: str) -> Record:
    names = {f.name for f in fields(record)} - _OWN
    values = {name: value for name, value in known.items() if name in names}
    meta = {name: value for name, value in known.items() if name not in names and name not in _OWN}
    try:
        return record.from_row({**values, "row_id": row_id, "meta": meta})
    except DataError as error:
        have = ", ".join(sorted(row)) or "none"
        raise DataError(f"row {number}: {error} (its columns: {have})",
                        help="say which column is which: `columns: {prompt: question}`") from error  # fmt: skip


def _dialogues(row: Mapping[str, Any], record: type[Record]) -> dict[str, Any]:
    """The row with a `prompt`, where its dialogues are written whole."""
    if "prompt" in row:
        return dict(row)
    if record is Prompt and "messages" in row:
        return _of_messages(row)
    if record is Preference and isinstance(row.get("chosen"), list) and isinstance(row.get("rejected"), list):
        return _of_answers(row)
    return dict(row)


def _of_messages(row: Mapping[str, Any]) -> dict[str, Any]:
    """`messages` is a prompt, and its last turn an answer where the assistant has it."""
    turns = messages(row["messages"])
    rest = {name: value for name, value in row.items() if name != "messages"}
    if turns[-1].role == "assistant" and len(turns) > 1:
        return {**rest, "prompt": turns[:-1], "completion": turns[-1].content}
    return {**rest, "prompt": turns}


def _of_answers(row: Mapping[str, Any]) -> dict[str, Any]:
    """`chosen` and `rejected` are whole dialogues: the prompt is all but their last turn."""
    chosen, rejected = messages(row["chosen"]), messages(row["rejected"])
    if chosen[:-1] != rejected[:-1] or len(chosen) < 2:
        raise DataError("`chosen` and `rejected` are not answers to the same prompt")
    return {**row, "prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]}


def _check(row: Mapping[str, Any], simple: Mapping[str, Any], shares: Iterable[str]) -> None:
    """Numbers and texts must be what the record says they are; nothing is coerced."""
    for name, hint in simple.items():
        value = row.get(name)
        if value is not None and (not isinstance(value, hint) or isinstance(value, bool)):
            raise DataError(f"`{name}` is not a {'text' if hint is str else 'number'}: {value!r:.40}")
    for name in shares:
        share = row.get(name)
        if share is not None and (
            isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1
        ):
            raise DataError(f"`{name}` is no probability: {share!r:.40}")


def _simple(record: type[Record]) -> dict[str, Any]:
    kinds: dict[Any, Any] = {str: str, float: (int, float), int: int}
    dialogues = {"completion", "chosen", "rejected"}
    hints = {name: hint for name, hint in get_type_hints(record).items() if name not in {*dialogues, *_OWN, "port"}}
    return {name: kinds[hint] for name, hint in hints.items() if hint in kinds}


def _plain(name: str, value: Any) -> Any:
    """The value as JSON: dates and decimals of typed files become text."""
    made = _converted(value)
    try:
        canonical(made).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"`{name}` holds a lone surrogate, which is no character") from error
    except (ValueError, TypeError) as error:
        raise DataError(f"`{name}` is not plain JSON: {error}") from error
    return made


def _converted(value: Any) -> Any:
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, (Decimal, timedelta, UUID)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _converted(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_converted(item) for item in value]
    return value
