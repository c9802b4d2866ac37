"""Rows of the files that are given, by the sources that a spec has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from constitutional.api import DataError
from constitutional.builtin.sources.files import CsvSource, JsonlSource, ParquetSource

SOURCES = {".csv": CsvSource, ".jsonl": JsonlSource, ".parquet": ParquetSource}


def rows(path: Path, columns: Iterable[str]) -> list[Mapping[str, Any]]:
    """All rows of a CSV, JSON-lines or Parquet file (`.gz` as it is), which must have `columns`.

    Raises:
        DataError: where the file cannot be read, has another form, or lacks a column.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in SOURCES:
        raise DataError(f"{path}: the form of the file is told by its name: {', '.join(SOURCES)}, and .gz of each")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    source = SOURCES[suffix]
    found = list(source(source.Params(path=path)).rows())  # type: ignore[call-arg]
    needed = tuple(columns)
    for number, row in enumerate(found, start=1):
        if missing := [name for name in needed if name not in row]:
            raise DataError(
                f"{path}: row {number} has no column `{missing[0]}` (its columns: {', '.join(map(str, row))})"
            )
    return found


def count(row: Mapping[str, Any], name: str, path: Path) -> int:
    """The whole number in a column.

    Raises:
        DataError: where there is something else, or nothing.
    """
    said = number(row, name, path)
    if said is None or not said.is_integer():
        raise DataError(f"{path}: column `{name}` holds {row[name]!r:.40}, which is no whole number")
    return int(said)


def number(row: Mapping[str, Any], name: str, path: Path) -> float | None:
    """The number in a column, None where the cell is empty.

    Raises:
        DataError: where there is something else.
    """
    said = row[name]
    if said is None or (isinstance(said, str) and not said.strip()):
        return None
    try:
        return float(said)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: column `{name}` holds {said!r:.40}, which is no number") from error
