"""Rows from one file: JSON lines, JSON, CSV and Parquet; `.gz` is read as it is."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TextIO, cast

from constitutional.api import DataError, JsonObject, Source, SourceParams
from constitutional.builtin.sources.shared import MOST_CELL, FileParams, content_digest, identity_of, shaped


class FileSource(Source):
    """A source that reads one file; its content, not its path, is its identity."""

    Params: ClassVar[type[SourceParams]] = FileParams

    def rows(self) -> Iterator[Mapping[str, Any]]:
        return shaped(self.read(self.params.path), self.params)

    def identity(self) -> JsonObject:
        return {"content": content_digest(self.params.path), **identity_of(self.params)}

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        """The rows of the file as they are."""
        raise NotImplementedError


class JsonlSource(FileSource):
    """One JSON object a line."""

    name = "jsonl"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        empty = True
        for number, line in enumerate(_lines(path), start=1):
            if line.strip():
                empty = False
                yield _object(path, number, line)
        if empty:
            raise DataError(f"{path} has no rows")


class JsonSource(FileSource):
    """One JSON list of objects."""

    name = "json"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        text = "".join(_lines(path))
        try:
            said = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            line = getattr(error, "lineno", 1)
            raise DataError(f"{path}:{line}: not JSON: {error}") from error
        if not isinstance(said, list) or not said:
            raise DataError(f"{path}: not a list of objects, or an empty one", help="for one object a line use `source: jsonl`")
        for number, row in enumerate(said, start=1):
            if not isinstance(row, dict):
                raise DataError(f"{path}: item {number} is not an object")
            yield row


class CsvSource(FileSource):
    """Comma-separated values with a header; every value is a text."""

    name = "csv"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        csv.field_size_limit(MOST_CELL)
        reader = csv.DictReader(_lines(path), strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(f"{path}:{reader.line_num}: {len([v for v in row.values() if v is not None])} cells for {len(reader.fieldnames or [])} columns")
                yield cast("Mapping[str, Any]", row)
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: {error}") from error
        if reader.line_num < 2:
            raise DataError(f"{path} has no rows", help="the first line is read as the header")


class ParquetSource(FileSource):
    """A Parquet file, such as a finished step's `rows.parquet`."""

    name = "parquet"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=1024):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: not a Parquet file: {error}") from error


def _lines(path: Path) -> Iterator[str]:
    """Lines of a text file, one at a time; a byte-order mark is skipped."""
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, start=1):
                if len(line) > MOST_CELL:
                    raise DataError(f"{path}:{number}: a line of more than {MOST_CELL // 1024**2} MiB")
                yield line
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number + 1}: not UTF-8 ({error.reason})", help="convert the file to UTF-8") from error
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: {error}") from error


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")


def _object(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        said = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not JSON: {error}") from error
    if not isinstance(said, dict):
        raise DataError(f"{path}:{number}: a {type(said).__name__}, not an object")
    return said


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
