"""Rows from files: what is read, and what a broken file says."""

from __future__ import annotations

import gzip
import json
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import DataError, Source
from constitutional.builtin.sources import SOURCES

BY_NAME = {source.name: source.load() for source in SOURCES}
ROWS = [{"prompt": "hello", "n": 1}, {"prompt": "日本 🙂", "n": 2}, {"prompt": "", "n": 3}]


def source(name: str, path: Path, **params: Any) -> Source:
    cls = BY_NAME[name]
    return cls(cls.Params(path=path, **params))


def read(name: str, path: Path, **params: Any) -> list[Any]:
    return list(source(name, path, **params).rows())


def write(path: Path, rows: list[Any]) -> Path:
    """The rows in the format that the suffix names."""
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    elif ".json" in path.name:
        content = json.dumps(rows, indent=1).encode()
    elif ".csv" in path.name:
        content = ("prompt,n\r\n" + "".join(f'"{row["prompt"]}",{row["n"]}\r\n' for row in rows)).encode()
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
        return path
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


FILES = ["rows.jsonl", "rows.jsonl.gz", "rows.json", "rows.json.gz", "rows.csv", "rows.csv.gz", "rows.parquet"]


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / request.param, ROWS)


def format_of(file: Path) -> str:
    return file.name.split(".")[1]


def test_rows_are_read_as_they_were_written(file: Path) -> None:
    expected = [{"prompt": row["prompt"], "n": str(row["n"])} for row in ROWS] if "csv" in file.name else ROWS
    assert read(format_of(file), file) == expected


def test_columns_are_renamed_and_the_limit_holds(file: Path) -> None:
    found = read(format_of(file), file, columns={"question": "prompt"}, limit=2)
    assert [row["question"] for row in found] == ["hello", "日本 🙂"]
    assert all("prompt" not in row for row in found)


def test_a_limit_of_none_is_all_and_of_zero_is_nothing(file: Path) -> None:
    assert len(read(format_of(file), file)) == 3
    assert read(format_of(file), file, limit=0) == []


def test_a_column_that_is_not_there_is_named_with_those_that_are(file: Path) -> None:
    with pytest.raises(DataError, match=r"no column `question` \(its columns: prompt, n\)"):
        read(format_of(file), file, columns={"prompt": "question"})


def test_identity_is_the_content_and_not_the_path(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    copy = other / f"another.{file.name.partition('.')[2]}"
    shutil.copy(file, copy)
    assert source(format_of(file), copy).identity() == source(format_of(file), file).identity()


def test_identity_changes_with_content_columns_and_limit(file: Path) -> None:
    name = format_of(file)
    seen = [
        source(name, file).identity(),
        source(name, file, limit=2).identity(),
        source(name, file, columns={"q": "n"}).identity(),
    ]
    write(file, [*ROWS, {"prompt": "more", "n": 4}])
    seen.append(source(name, file).identity())
    assert len({str(one) for one in seen}) == 4


def test_a_file_that_is_edited_at_once_and_keeps_its_size_is_another(tmp_path: Path) -> None:
    import os

    path = write(tmp_path / "rows.jsonl", [{"prompt": "aaaa"}])
    stat, first = path.stat(), source("jsonl", path).identity()
    write(path, [{"prompt": "bbbb"}])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert source("jsonl", path).identity() != first


@pytest.mark.parametrize("name", ["jsonl", "json", "csv"])
def test_a_byte_order_mark_is_skipped(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"rows.{name}", ROWS[:1])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read(name, path)[0]["prompt"] == "hello"


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"prompt": "a"}\n\n  \n{"prompt": "b"}\n\n')
    assert [row["prompt"] for row in read("jsonl", path)] == ["a", "b"]


def test_csv_cells_may_hold_lines_quotes_and_commas(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b'prompt,n\n"one\ntwo, ""three""\r\nfour",1\n')
    assert read("csv", path) == [{"prompt": 'one\ntwo, "three"\r\nfour', "n": "1"}]


def test_unicode_line_ends_do_not_end_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a\u2028b\u0085c"}\n', encoding="utf-8")
    assert read("jsonl", path) == [{"prompt": "a\u2028b\u0085c"}]


BROKEN: dict[str, tuple[str, bytes, str]] = {
    "jsonl: not json": ("rows.jsonl", b'{"prompt": "a"}\n{"prompt": \n', r"rows\.jsonl:2: not JSON"),
    "jsonl: NaN": ("rows.jsonl", b'{"prompt": "a"}\n{"x": NaN}\n', r"rows\.jsonl:2: .*NaN"),
    "jsonl: Infinity": ("rows.jsonl", b'{"x": -Infinity}\n', r"rows\.jsonl:1: .*Infinity"),
    "jsonl: a number too large": ("rows.jsonl", b'{"x": 1e999}\n', r"rows\.jsonl:1: .*1e999"),
    "jsonl: too many digits": ("rows.jsonl", b'{"x": ' + b"9" * 5000 + b"}\n", r"rows\.jsonl:1: not JSON"),
    "jsonl: a list": ("rows.jsonl", b'["a"]\n', r"rows\.jsonl:1: a list, not an object"),
    "jsonl: nested": ("rows.jsonl", b'{"prompt": "a"}\n' + b"[" * 100_000 + b"\n", r"rows\.jsonl:2: not JSON"),
    "jsonl: a key twice": ("rows.jsonl", b'{"prompt": "a", "prompt": "b"}\n', r"rows\.jsonl:1: .*`prompt` twice"),
    "jsonl: half a character": ("rows.jsonl", b'{"prompt": "\\ud800"}\n', r"rows\.jsonl:1: .*surrogate"),
    "jsonl: not utf-8": ("rows.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}\n', r"rows\.jsonl:2: not UTF-8"),
    "jsonl: not utf-8, far down": (
        "rows.jsonl",
        b'{"prompt": "a"}\n' * 5000 + b'{"prompt": "\xff"}\n',
        r"rows\.jsonl:5001: not UTF-8",
    ),
    "jsonl: utf-16": ("rows.jsonl", '{"prompt": "a"}\n'.encode("utf-16"), r"rows\.jsonl:1: not UTF-8"),
    "jsonl: empty": ("rows.jsonl", b"", r"rows\.jsonl has no rows"),
    "jsonl: blank": ("rows.jsonl", b"\n\n", r"rows\.jsonl has no rows"),
    "jsonl: not gzip": ("rows.jsonl.gz", b'{"prompt": "a"}\n', r"rows\.jsonl\.gz: "),
    "jsonl: half a gzip": ("rows.jsonl.gz", gzip.compress(b'{"prompt": "a"}\n' * 999)[:-20], r"rows\.jsonl\.gz: "),
    "jsonl: damaged gzip": (
        "rows.jsonl.gz",
        gzip.compress(b'{"prompt": "a"}\n')[:12] + b"\xff" * 20,
        r"rows\.jsonl\.gz: ",
    ),
    "json: not json": ("rows.json", b'[\n{"prompt": "a"},\n{"prompt"}\n]', r"rows\.json:3: not JSON"),
    "json: an object": ("rows.json", b'{"prompt": "a"}', "not a list"),
    "json: an empty list": ("rows.json", b"[]", "empty"),
    "json: an item that is none": ("rows.json", b'[{"prompt": "a"}, 3]', "item 2 is not an object"),
    "json: NaN": ("rows.json", b'[{"x": NaN}]', "NaN"),
    "json: nested": ("rows.json", b"[" * 100_000, "not JSON"),
    "json: a key twice": ("rows.json", b'[{"prompt": "a", "prompt": "b"}]', "`prompt` twice"),
    "json: half a character": ("rows.json", b'[{"prompt": "\\ud800"}]', "surrogate"),
    "json: empty": ("rows.json", b"", "not JSON"),
    "csv: too many cells": ("rows.csv", b"prompt,n\na,1\nb,2,3\n", r"rows\.csv:3: 3 cells for 2 columns"),
    "csv: too few cells": ("rows.csv", b"prompt,n\na,1\nb\n", r"rows\.csv:3: 1 cells for 2 columns"),
    "csv: an open quote": ("rows.csv", b'prompt,n\n"a,1\n', r"rows\.csv:\d: "),
    "csv: a header alone": ("rows.csv", b"prompt,n\n", r"rows\.csv has no rows"),
    "csv: empty": ("rows.csv", b"", r"rows\.csv has no rows"),
    "csv: a column twice": ("rows.csv", b"prompt,prompt\na,b\n", "`prompt` twice"),
    "csv: a column without a name": ("rows.csv", b"prompt,\na,b\n", "without a name"),
    "csv: a blank header": ("rows.csv", b"\n\nprompt\na\n", r""),
    "csv: not utf-8": ("rows.csv", b"prompt,n\na,1\n\xff,2\n", r"rows\.csv:3: not UTF-8"),
    "csv: NUL": ("rows.csv", b"prompt,n\na\0,1\n", r""),
    "parquet: text": ("rows.parquet", b"hello", "not a Parquet file"),
    "parquet: empty": ("rows.parquet", b"", "not a Parquet file"),
    "parquet: the two ends alone": ("rows.parquet", b"PAR1" + b"\xff" * 40 + b"PAR1", "not a Parquet file"),
}


@pytest.mark.parametrize("case", [case for case in BROKEN if case not in {"csv: a blank header", "csv: NUL"}])
def test_a_broken_file_says_where_and_what(tmp_path: Path, case: str) -> None:
    name, content, said = BROKEN[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read(name.split(".")[1], tmp_path / name)


@pytest.mark.parametrize("case", ["csv: a blank header", "csv: NUL"])
def test_an_odd_csv_is_read_or_refused_but_never_breaks(tmp_path: Path, case: str) -> None:
    name, content, _ = BROKEN[case]
    (tmp_path / name).write_bytes(content)
    with suppress(DataError):
        assert all(isinstance(value, str) for row in read("csv", tmp_path / name) for value in row.values())


def test_a_parquet_file_without_rows_has_no_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"prompt": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="has no rows"):
        read("parquet", tmp_path / "rows.parquet")


@pytest.mark.parametrize("name", ["jsonl", "csv", "json"])
def test_a_cell_of_ten_megabytes_is_refused_soon(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"rows.{name}", [{"prompt": "x" * (10 * 1024 * 1024 + 100), "n": 1}])
    started = time.monotonic()
    with pytest.raises(DataError, match=r"MiB|limit"):
        read(name, path)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", ["jsonl", "csv", "json"])
def test_a_cell_of_five_megabytes_is_read(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"rows.{name}", [{"prompt": "x" * 5 * 1024 * 1024, "n": 1}])
    assert len(read(name, path)[0]["prompt"]) == 5 * 1024 * 1024


def test_a_gzip_bomb_without_line_ends_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    import resource

    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(b"[" * 400 * 1024 * 1024, 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="MiB"):
        read("jsonl", tmp_path / "rows.jsonl.gz")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000


def test_rows_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "a"}\n' * 10 + b"broken\n")
    assert len(read("jsonl", path, limit=10)) == 10
