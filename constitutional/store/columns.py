"""Columns: the Arrow schema of a record type, so that an empty step has the same columns as a full one."""

from __future__ import annotations

import contextlib
import ctypes
import json
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import orjson

from constitutional.ids import finite
from constitutional.records import CONVERSATIONAL, Message, Record, Round, trl_row

ROWS_PER_GROUP = 512
#: A file of so many rows has larger groups from there on; no group holds more than so many bytes.
LARGE = 50_000
MOST_BYTES = 4 * 1024**2


@cache
def arrow() -> Any:
    """pyarrow, with the allocator that gives memory back: its own keeps some 40 MB of what a file needed."""
    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    return pa


def schema(record: type[Record]) -> Any:
    """The `pyarrow.Schema` of a record type."""
    pa = arrow()

    hints = get_type_hints(record)
    return pa.schema([(f.name, _arrow(f.name, hints[f.name])) for f in fields(record)])


def write_rows(path: Path, record: type[Record], rows: Iterable[Record | Mapping[str, Any]]) -> int:
    """Write records, or what their `to_row` gave, to one Parquet file, a row group at a time; returns how many there were."""
    writer, stream = RowsWriter(path, record), iter(rows)
    try:
        while chunk := list(islice(stream, ROWS_PER_GROUP)):
            writer.write(chunk)
    finally:
        writer.close()
    return writer.total


class RowsWriter:
    """A Parquet file that grows; the same rows give the same bytes, in whatever portions they come.

    `total` is how many rows are in the file, all of them once it is closed.
    """

    def __init__(self, path: Path, record: type[Record]) -> None:
        import pyarrow.parquet as pq

        self.total = 0
        self._layout = schema(record)
        #: Rows as JSON, which takes a fraction of what dictionaries do.
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._file = pq.ParquetWriter(path, self._layout, compression="zstd")

    def write(self, rows: Iterable[Record | Mapping[str, Any]]) -> None:
        """Write records, or what their `to_row` gave."""
        self.write_lines(_line(row) for row in rows)

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Write what is JSON already, a line a row."""
        for line in lines:
            self._waiting.append(line)
            self._bytes += len(line)
            if len(self._waiting) >= self._group or self._bytes >= MOST_BYTES:
                self._write_group()

    @property
    def _group(self) -> int:
        """Lines of the next group: each costs some twenty kilobytes of memory until the file is closed."""
        return ROWS_PER_GROUP if self.total < LARGE else 8 * ROWS_PER_GROUP

    def _write_group(self) -> None:
        table = self._read(self._waiting)
        if table.num_rows:
            self._file.write_table(table)
        self.total += table.num_rows
        large = len(self._waiting) > ROWS_PER_GROUP
        self._waiting, self._bytes = [], 0
        if large:
            _give_back()

    def _read(self, lines: Sequence[bytes]) -> Any:
        return _table(lines, self._layout)

    def close(self) -> None:
        """Write what waits and the footer; nothing where it is closed already."""
        if self._waiting:
            self._write_group()
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is; it will not be read."""
        self._waiting, self._bytes = [], 0
        self._file.close()


class OutcomesWriter(RowsWriter):
    """The same for outcomes of input rows as the journal has them: each line is an object with any number of `rows`."""

    def __init__(self, path: Path, record: type[Record]) -> None:
        super().__init__(path, record)
        pa = arrow()
        rows = pa.list_(pa.struct(list(self._layout)))
        self._whole = pa.schema(
            {"fate": pa.string(), "reason": pa.string(), "rows": rows, "calls": pa.int64(), "tokens": pa.int64()}
        )

    def _read(self, lines: Sequence[bytes]) -> Any:
        """No line becomes an object of Python's where Arrow can read it: other threads want the interpreter, too."""
        pa = arrow()
        try:
            made = _table(lines, self._whole)
        except pa.ArrowInvalid:
            # Completions as plain texts, as an earlier version kept them, or escapes that Arrow does not know.
            rows = [row for line in lines for row in json.loads(line)["rows"]]
            return _table([_line(row) for row in rows], self._layout) if rows else self._layout.empty_table()
        structs = made.column("rows").combine_chunks().flatten()
        return pa.Table.from_batches([pa.RecordBatch.from_struct_array(structs)], self._layout)


def _give_back() -> None:
    """Let the C library return what is free: it keeps the tens of megabytes that a large group took on its way."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _line(row: Record | Mapping[str, Any]) -> bytes:
    """A row as JSON; infinities as Python writes them, which Arrow reads."""
    made = trl_row(row)
    text = orjson.dumps(made)
    return text if b"null" not in text or finite(made) else json.dumps(made).encode()


def _table(rows: Sequence[bytes], layout: Any) -> Any:
    """Rows of JSON as a table: `Table.from_pylist` imports pandas, which costs half a second and 40 MB."""
    import pyarrow.json as pj

    pa = arrow()
    text = b"\n".join(rows)
    table = pj.read_json(
        pa.BufferReader(text), read_options=pj.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pj.ParseOptions(explicit_schema=layout, unexpected_field_behavior="error"),
    )  # fmt: skip
    return table.select(layout.names)


def read_rows(path: Path, record: type[Record]) -> Iterator[Record]:
    """Read back what `write_rows` wrote, a row group at a time."""
    import pyarrow.parquet as pq

    arrow()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
            for row in batch.to_pylist():
                yield record.from_row(row)


def count_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def _arrow(name: str, hint: Any) -> Any:
    pa = arrow()
    turn = pa.struct([("role", pa.string()), ("content", pa.string())])
    if name in CONVERSATIONAL:
        return pa.list_(turn)
    hint = _without_none(hint)
    if get_origin(hint) is tuple:
        return pa.list_(_item(get_args(hint)[0], turn))
    return _scalar(hint)


def _item(hint: Any, turn: Any) -> Any:
    pa = arrow()
    if hint is Message:
        return turn
    if hint is Round:
        return pa.struct([(name, pa.string()) for name in Round._fields])
    return _scalar(hint)


def _scalar(hint: Any) -> Any:
    pa = arrow()
    if get_origin(hint) is Literal:
        return pa.string()
    return {int: pa.int64(), float: pa.float64(), bool: pa.bool_()}.get(hint, pa.string())


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return hint
