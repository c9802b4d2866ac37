"""Row files: the same rows give the same bytes, in whatever portions they come."""

import json
import math
import tempfile
from pathlib import Path

import orjson
import pyarrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.records import Response, Vote, trl_row, user
from constitutional.store import columns
from constitutional.store.columns import OutcomesWriter, RowsWriter, read_rows, write_rows


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
    assert sizes(tmp_path / "rows.parquet") == [4, 4, 4, 4, 4, 32, 32, 16]
    monkeypatch.setattr(columns, "MOST_BYTES", 600)
    write_rows(tmp_path / "light.parquet", Response, rows(100))
    assert max(sizes(tmp_path / "light.parquet")) < 4
    assert list(read_rows(tmp_path / "light.parquet", Response)) == rows(100)


def outcome(made, **more):
    return {"fate": "kept", "reason": "", "rows": made, "calls": 1, "tokens": 2, **more}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.text(), st.text(), st.booleans()), max_size=3), max_size=30),
    st.lists(st.integers(1, 9), max_size=40),
)
def test_outcomes_are_written_as_their_rows_are(texts, portions):
    """Any number of rows an outcome, in whatever portions, completions as dialogues or as older versions kept them."""
    made = [
        [
            Response(
                row_id=f"{n}.{m}", prompt=(user(asked),), completion=said, meta={"x": said}, flags=("empty",) * bare
            )
            for m, (asked, said, bare) in enumerate(several)
        ]
        for n, several in enumerate(texts)
    ]
    kept = [outcome([trl_row(row) for row in several]) for several in made]
    older = [outcome([row.to_row() for row in several]) for several in made]
    with tempfile.TemporaryDirectory() as folder:
        for name, outcomes, sizes in [("a", kept, [len(kept)]), ("b", kept, portions), ("c", older, portions)]:
            writer, left = OutcomesWriter(Path(folder) / name, Response), [orjson.dumps(one) for one in outcomes]
            for size in [*sizes, len(outcomes)]:
                writer.write_lines(left[:size])
                left = left[size:]
            writer.close()
            assert list(read_rows(Path(folder) / name, Response)) == [row for several in made for row in several]
            assert writer.total == sum(map(len, made))
            assert (Path(folder) / name).read_bytes() == (Path(folder) / "a").read_bytes()


def test_infinities_stay_what_they_are_whoever_reads_them(tmp_path):
    made = [Vote(row_id=str(n), prompt=(user("x"),), first="a", second="b", pair="p", principle="q", order="ab", judge="j", weight=weight)
            for n, weight in enumerate([math.inf, -math.inf, 0.5])]  # fmt: skip
    write_rows(tmp_path / "rows.parquet", Vote, made)
    assert list(read_rows(tmp_path / "rows.parquet", Vote)) == made
    for name, kept in [("fast", [trl_row(row) for row in made]), ("slow", [row.to_row() for row in made])]:
        writer = OutcomesWriter(tmp_path / name, Vote)
        writer.write_lines([json.dumps(outcome(kept)).encode(), json.dumps({**outcome([]), "reason": "x"}).encode()])
        writer.close()
        assert list(read_rows(tmp_path / name, Vote)) == made


def test_outcomes_without_rows_are_no_rows(tmp_path):
    for name, more in [("fast", {}), ("slow", {"calls": "no number"})]:
        writer = OutcomesWriter(tmp_path / name, Response)
        writer.write_lines([orjson.dumps(outcome([], **more))] * 3)
        writer.close()
        assert writer.total == 0
        assert list(read_rows(tmp_path / name, Response)) == []


def test_an_outcome_with_a_column_that_nobody_knows_is_an_error(tmp_path):
    writer = OutcomesWriter(tmp_path / "rows.parquet", Response)
    writer.write_lines([orjson.dumps(outcome([{**trl_row(rows(1)[0]), "more": 1}]))])
    with pytest.raises(pyarrow.ArrowInvalid, match="unexpected field"):
        writer.close()


def sizes(path):
    metadata = pq.read_metadata(path)
    return [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
