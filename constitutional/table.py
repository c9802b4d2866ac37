"""Tables that strangers export: CSV with limits, every row with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

from constitutional.errors import DataError
from constitutional.suggest import nearest

MAX_BYTES: Final = 512 * 1024 * 1024
MAX_CELL: Final = 64 * 1024
MAX_COLUMNS: Final = 50_000
MAX_ROWS: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table, with the line of the file on which it ends."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"

    def whole(self, column: str, least: int | None = None) -> int:
        """The cell as a whole number; exports write `3` or `3.0`.

        Raises:
            DataError: with file and line where it is none, or less than `least`.
        """
        number = as_whole(self[column])
        if number is None or (least is not None and number < least):
            wanted = "a whole number" if least is None else f"a whole number of at least {least}"
            raise DataError(f"{self.place}: `{column}` must be {wanted}, not {self[column]!r:.60}")
        return number


def as_whole(text: str) -> int | None:
    """`3` and `3.0` as 3; None for anything else, and for what has more than fifteen digits."""
    text = text.strip()
    digits = text[1:] if text[:1] in ("-", "+") else text
    head, dot, tail = digits.partition(".")
    sound = head.isascii() and head.isdigit() and len(head) <= 15 and (not dot or set(tail) <= {"0"})
    return int(text.partition(".")[0]) if sound else None


def read_table(path: Path, needed: Sequence[str]) -> Iterator[Line]:
    """The rows below the header, one at a time; blank lines are skipped.

    Cells stand between commas, or between semicolons or tabs, as many spreadsheets save them, if the header says so.

    Raises:
        DataError: with file and line, if the file cannot be read, is no CSV, is too large, or lacks a column.
    """
    lines = _lines(path)
    first = next(lines, "")
    reader = csv.reader(chain([first], lines), strict=True, delimiter=_delimiter(first, needed))
    csv.field_size_limit(MAX_CELL)
    try:
        header = _header(path, next(reader, []), needed)
        for count, row in enumerate(reader):
            if count >= MAX_ROWS:
                raise DataError(f"{path}:{reader.line_num}: more than {MAX_ROWS:,} rows")
            if row and len(row) != len(header):
                raise DataError(f"{path}:{reader.line_num}: {len(row)} cells for {len(header)} columns")
            if row:
                yield Line(path, reader.line_num, dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: {error}") from error


def read_ids(path: Path) -> dict[int, int]:
    """Ids, one a line and without a header, as `{id: line}`; several on a line may stand between commas.

    Raises:
        DataError: for the first that is no whole number.  A header is an error too: a reader that skips the first line
            loses an id where there is none.
    """
    found: dict[int, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        for cell in filter(None, (cell.strip() for cell in line.split(","))):
            id = as_whole(cell)
            if id is None:
                raise DataError(f"{path}:{number}: not an id: {cell!r:.60}", help="the file has ids alone, no header")
            found.setdefault(id, number)
    return found


@dataclass(frozen=True, slots=True)
class Text:
    """One line of a text, with its number."""

    path: Path
    number: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"


def read_lines(path: Path) -> Iterator[Text]:
    """The lines of a text, one at a time and none without end.

    Raises:
        DataError: with file and line, if the file cannot be read, is too large or is not UTF-8.
    """
    for number, text in enumerate(_lines(path), start=1):
        yield Text(path, number, text)


def _lines(path: Path) -> Iterator[str]:
    number = 1
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES // 1024**2} MiB")
        with path.open("rb") as file:
            while line := file.readline(MAX_CELL * 64 + 1):
                if len(line) > MAX_CELL * 64:
                    raise DataError(f"{path}:{number}: a line of more than {MAX_CELL * 64 // 1024**2} MiB")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8").replace("\0", "\ufffd")
                number += 1
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason})", help="convert the file to UTF-8") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error


def _delimiter(header: str, needed: Sequence[str]) -> str:
    """The one that gives the columns that are needed; a comma where none does."""
    for mark in ",;\t":
        names = {name.strip().strip('"') for name in header.split(mark)}
        if names.issuperset(needed):
            return mark
    return ","


def _header(path: Path, names: list[str], needed: Sequence[str]) -> list[str]:
    names = [name.strip() for name in names]
    if len(names) > MAX_COLUMNS:
        raise DataError(f"{path}:1: more than {MAX_COLUMNS:,} columns")
    if twice := sorted({name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()):
        raise DataError(f"{path}:1: column `{twice[0]}` twice")
    for name in needed:
        if name not in names:
            guess = nearest(name, names)
            hint = f"did you mean `{guess}`?" if guess else "it is not the export that is meant, or has no header"
            raise DataError(f"{path}:1: there is no column `{name}`", help=hint)
    return names


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula (CWE-1236): what begins like one gets an apostrophe before it."""
    return f"'{text}" if text.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
