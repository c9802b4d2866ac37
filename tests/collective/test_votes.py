"""Exports of strangers: read with limits, every mistake with its line, and every removal counted."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.collective.votes import ABSENT, clean, cleaned, read_export, read_groups, read_tossed
from constitutional.errors import DataError
from constitutional.table import as_whole, read_ids, read_table, safe_cell
from tests.collective.exports import export, votes

ROWS = {7: [1, -1, None], 3: [0, 1, 1], 5: [None, None, 1]}
TEXTS = ["The AI should be kind.", "The AI should be quick.", "The AI should be odd."]


def test_an_export_is_read_as_it_is(tmp_path):
    found = read_export(export(tmp_path, ROWS, TEXTS, groups={7: "0", 3: "1"}))
    assert found.people == (7, 3, 5)
    assert [statement.text for statement in found.statements] == TEXTS
    assert found.matrix.tolist() == [[1, -1, ABSENT], [0, 1, 1], [ABSENT, ABSENT, 1]]
    assert found.groups == ("0", "1", "")


def test_votes_written_as_floats_are_votes(tmp_path):
    folder = export(tmp_path, ROWS, TEXTS)
    path = folder / "participants-votes.csv"
    path.write_text(path.read_text().replace("3,x,,0,3,2,0,0,1,1", "3,x,,0,3,2,0,0.0,1.0,-1.0"))
    assert read_export(folder).matrix[1].tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("participants-votes.csv", "7,x,,0,2,1,1,1,-1,", "7,x,,0,2,1,1,2,-1,", r"votes\.csv:2: the vote on statement 0 must"),
        ("participants-votes.csv", "5,x", "3,x", r"votes\.csv:4: participant 3 is on line 3 already"),
        ("participants-votes.csv", "5,x", "five,x", r"votes\.csv:4: `participant` must be a whole number"),
        ("participants-votes.csv", "7,x,,0,2,1,1,1,-1,", "7,x,,0,2,1,1,1", r"votes\.csv:2: 8 cells for 10 columns"),
        ("participants-votes.csv", "participant,", "partcipant,", r"votes\.csv:1: there is no column `participant`"),
        ("participants-votes.csv", "n-disagree,0,1,2", "n-disagree,0,1,9", r"votes\.csv:1: column `9` is no statement"),
        ("participants-votes.csv", "n-disagree,0,1,2", "n-disagree,0,1,1", r"votes\.csv:1: column `1` twice"),
        ("comments.csv", "0,never,1,0,0,0,1", "0,never,1,0,0,0,7", r"comments\.csv:3: `moderated` must be -1, 0 or 1"),
        ("comments.csv", "0,never,1,0", "0,never,0,0", r"comments\.csv:3: statement 0 twice"),
        ("comments.csv", "odd.", "odd" * 999, r"comments\.csv:4: statement 2 has more than 2,000 characters"),
        ("comments.csv", "The AI should be odd.", '"The AI', r"comments\.csv:4"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_line(tmp_path, file, old, new, said):
    folder = export(tmp_path, ROWS, TEXTS)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=said):
        read_export(folder)


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path):
    folder = export(tmp_path, ROWS, TEXTS)
    with (folder / "comments.csv").open("ab") as file:
        file.write(b"0,n,3,0,0,0,1,\xff\n")
    with pytest.raises(DataError, match=r"comments\.csv:5: not UTF-8"):
        read_export(folder)
    with pytest.raises(DataError, match=r"comments\.csv: No such file"):
        read_export(tmp_path / "nowhere")


def test_ids_to_toss_have_no_header_and_the_first_is_an_id(tmp_path):
    (tmp_path / "ids-to-toss.csv").write_bytes(b"643\r\n516\n\n645\n")
    assert list(read_tossed(tmp_path)) == [643, 516, 645]
    (tmp_path / "ids-to-toss.csv").write_text("participant\n643\n")
    with pytest.raises(DataError, match=r"toss\.csv:1: not an id: 'participant'"):
        read_tossed(tmp_path)
    assert read_tossed(tmp_path / "nowhere") == {}


def test_cleaning_counts_what_it_takes():
    made = votes([[1, 1, 1], [1, None, None], [0, 0, None], [1, -1, 0]])
    kept, counted = clean(made, toss=[0, 99], min_votes=2)
    assert kept.people == (2, 3)
    assert (counted.tossed, counted.too_few_votes, counted.people_left) == (1, 1, 2)
    assert (counted.votes, counted.votes_left, counted.unknown) == (9, 5, (99,))
    assert counted.people == counted.people_left + counted.tossed + counted.too_few_votes


def test_votes_on_statements_moderated_out_still_count_for_their_people(tmp_path):
    folder = export(tmp_path, {1: [1, 1, 1], 2: [1, None, None], 3: [1, 1, 1]}, TEXTS, moderated=[1, -1, 0])
    kept, counted = clean(read_export(folder), min_votes=3)
    assert kept.people == (1, 3)
    assert [s.id for s in kept.statements] == [0]
    assert counted.moderated_out == 2
    assert [s.id for s in clean(read_export(folder), min_votes=3, moderation="lenient")[0].statements] == [0, 2]
    with pytest.raises(DataError, match="nobody is left"):
        clean(read_export(folder), min_votes=4)


def test_groups_come_from_a_table_of_their_own(tmp_path):
    (tmp_path / "groups.csv").write_text("participant,group-id\n1,0\n2,\n3,1\n")
    assert read_groups(tmp_path / "groups.csv") == {1: "0", 3: "1"}


@given(st.text(max_size=80))
def test_a_cleaned_text_has_one_line_and_nothing_invisible(text):
    made = cleaned(text.replace("\ud800", ""))
    assert "\n" not in made
    assert all(c.isprintable() or c == " " for c in made if ord(c) < 0xA0)
    assert "${" not in made


@given(st.text(alphabet=st.sampled_from("=+-@\t\r ab1,\"'\n"), max_size=12))
def test_no_cell_begins_like_a_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow([safe_cell(text)])
    (back,) = next(csv.reader(io.StringIO(out.getvalue(), newline="")))
    assert not back.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert back in (text, f"'{text}")


@given(st.integers(-(10**12), 10**12))
def test_whole_numbers_are_read_back(number):
    assert as_whole(str(number)) == number == as_whole(f"{number}.0")
    assert as_whole(f"{number}.5") is None


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_an_error_with_a_place(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes(content)
        for read in (lambda: list(read_table(path, [])), lambda: read_ids(path)):
            try:
                read()
            except DataError as error:
                assert str(path) in str(error)


def test_the_matrix_is_small(tmp_path):
    assert read_export(export(tmp_path, ROWS, TEXTS)).matrix.dtype == np.int8
