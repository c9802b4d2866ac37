"""Rows from one file: JSON lines, JSON, CSV and Parquet; `.gz` is read as it is."""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn, cast

from constitutional.api import DataError, JsonObject, Source, SourceParams
from constitutional.builtin.contents import content_digest
from constitutional.builtin.sources.shared import MOST_CELL, FileParams, identity_of, shaped

#: The largest JSON file, which is read at once.
MOST_JSON = 512 * 1024 * 1024


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
                said = _json(path, number, line.strip())
                if not isinstance(said, dict):
                    raise DataError(f"{path}:{number}: a {type(said).__name__}, not an object")
                yield said
        if empty:
            raise DataError(f"{path} has no rows")


class JsonSource(FileSource):
    """One JSON list of objects."""

    name = "json"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        said = _json(path, 1, _whole(path))
        if not isinstance(said, list) or not said:
            raise DataError(
                f"{path}: not a list of objects, or an empty one", help="for one object a line use `source: jsonl`"
            )
        for number, row in enumerate(said, start=1):
            if not isinstance(row, dict):
                raise DataError(f"{path}: item {number} is not an object")
            yield row


class CsvSource(FileSource):
    """Comma-separated values with a header; every value is a text."""

    name = "csv"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        csv.field_size_limit(MOST_CELL)
        reader = csv.reader(_lines(path), strict=True)
        header: list[str] = []
        empty = True
        try:
            header = _header(path, next(reader, []))
            for row in reader:
                if row and len(row) != len(header):
                    raise DataError(f"{path}:{reader.line_num}: {len(row)} cells for {len(header)} columns")
                if row:
                    empty = False
                    yield dict(zip(header, row, strict=True))
        except csv.Error as error:
            raise DataError(f"{path}:{reader.line_num}: {error}") from error
        if empty:
            raise DataError(f"{path} has no rows", help="the first line is read as the header")


class ParquetSource(FileSource):
    """A Parquet file, such as a finished step's `rows.parquet`."""

    name = "parquet"

    def read(self, path: Path) -> Iterator[Mapping[str, Any]]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                if not file.metadata.num_rows:
                    raise DataError(f"{path} has no rows")
                for batch in file.iter_batches(batch_size=1024):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path}: not a Parquet file: {error}") from error


def _lines(path: Path) -> Iterator[str]:
    """Lines of a text file, one at a time and none without end; a byte-order mark is skipped."""
    number = 1
    try:
        with _open(path) as file:
            while line := file.readline(MOST_CELL + 1):
                if len(line) > MOST_CELL:
                    raise DataError(f"{path}:{number}: a line of more than {MOST_CELL // 1024**2} MiB")
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
                number += 1
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8 ({error.reason})", help="convert the file to UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: {error}") from error


def _whole(path: Path) -> str:
    pieces, size = [], 0
    for line in _lines(path):
        size += len(line)
        if size > MOST_JSON:
            raise DataError(f"{path} is larger than {MOST_JSON // 1024**2} MiB", help="use `source: jsonl`")
        pieces.append(line)
    return "".join(pieces)


def _open(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _header(path: Path, names: list[str]) -> list[str]:
    for name in names:
        if not name.strip():
            raise DataError(f"{path}:1: a column without a name")
        if names.count(name) > 1:
            raise DataError(f"{path}:1: column `{name}` twice")
    return names


def _json(path: Path, number: int, text: str) -> Any:
    """JSON as the standard has it: no NaN, no key twice, no half characters, no number that is infinite here.

    `number` is the line that the text begins on.
    """
    try:
        said = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
        if "\\ud" in text or "\\uD" in text:
            json.dumps(said, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{number}: a lone surrogate, which is no character") from error
    except (ValueError, RecursionError) as error:
        line = number + getattr(error, "lineno", 1) - 1
        raise DataError(f"{path}:{line}: not JSON: {error}") from error
    return said


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` twice")
    return found
