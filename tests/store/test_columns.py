"""Row files: the same rows give the same bytes, in whatever portions they come."""

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.records import Response, user
from constitutional.store import columns
from constitutional.store.columns import RowsWriter, read_rows, write_rows


def rows(count):
    return [
        Response(row_id=str(n), prompt=(user("why? " * (n % 7)),), completion="so " * (n % 11)) for n in range(count)
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(1, 9), max_size=40))
def test_portions_leave_no_trace(count, portions):
    made = rows(count)
    with tempfile.TemporaryDirectory() as folder:
        at_once, bit_by_bit = Path(folder) / "a.parquet", Path(folder) / "b.parquet"
        assert write_rows(at_once, Response, made) == count
        writer, left = RowsWriter(bit_by_bit, Response), made
        for portion in [*portions, count]:
            writer.write(left[:portion])
            left = left[portion:]
        writer.close()
        assert writer.total == count
        assert at_once.read_bytes() == bit_by_bit.read_bytes()
        assert list(read_rows(bit_by_bit, Response)) == made


def test_groups_are_larger_in_large_files_and_never_heavier_than_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROWS_PER_GROUP", 4)
    monkeypatch.setattr(columns, "LARGE", 20)
    write_rows(tmp_path / "rows.parquet", Response, rows(100))
    assert sizes(tmp_path / "rows.parquet") == [4, 4, 4, 4, 32, 32, 20]
    monkeypatch.setattr(columns, "MOST_BYTES", 600)
    write_rows(tmp_path / "light.parquet", Response, rows(100))
    assert max(sizes(tmp_path / "light.parquet")) < 4
    assert list(read_rows(tmp_path / "light.parquet", Response)) == rows(100)


def sizes(path):
    metadata = pq.read_metadata(path)
    return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
