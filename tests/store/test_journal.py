"""The journal: what was flushed survives, nothing else was promised."""

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.errors import RunError
from constitutional.store.journal import Journal
from constitutional.store.outcomes import READ_TOGETHER, pack

ORDERS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5).map(tuple)


@given(ORDERS, ORDERS)
def test_packed_places_sort_as_tuples_do(one, other):
    assert (pack(one) < pack(other)) == (one < other)


def test_an_answer_is_kept_under_its_key_and_the_first_one_stays(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.keep_answer("k", "m", {"text": "first"})
        journal.flush()
        journal.keep_answer("k", "m", {"text": "second"})
        journal.flush()
        assert journal.answer("k") == {"text": "first"}
        assert journal.answer("other") is None


def test_outcomes_come_in_the_order_of_their_places(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for place, row in [((0, 2), "c"), ((0, 1, 5), "b"), ((0, 1), "a")]:
            journal.keep_outcome("step", row, place, {"row": row})
        journal.flush()
        assert [outcome["row"] for _, outcome in journal.outcomes("step")] == ["a", "b", "c"]
        assert list(journal.outcomes("step", after=(0, 1), below=(0, 2))) == [((0, 1, 5), {"row": "b"})]
        assert journal.count("step") == 3
        assert journal.outcome("step", "b") == ((0, 1, 5), {"row": "b"})
        assert journal.outcome("other", "b") is None
        journal.forget("step")
        assert journal.count("step") == 0


@settings(max_examples=20, deadline=None)
@given(st.sets(ORDERS, max_size=300), st.data())
def test_lines_are_what_the_outcomes_are(places, data):
    after = data.draw(st.sampled_from([(), *places]))
    below = data.draw(st.sampled_from([None, *places]))
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j.sqlite") as journal:
        for place in places:
            journal.keep_outcome("step", str(place), place, {"row": f"{place}\n"})
        journal.flush()
        wanted = list(journal.outcomes("step", after, below))
        with journal.reader() as reader:
            portions = list(reader.lines("step", after, below))
            assert list(reader.lines("other")) == []
        assert [json.loads(line) for _, lines in portions for line in lines.split(b"\n")] == [
            said for _, said in wanted
        ]
        assert [place for place, _ in portions[-1:]] == [place for place, _ in wanted[-1:]]
        assert len(portions) == math.ceil(len(wanted) / READ_TOGETHER)


def test_a_checkpoint_is_wanted_for_what_was_written_since_the_last(tmp_path, monkeypatch):
    monkeypatch.setattr("constitutional.store.journal.CHECKPOINT_LETTERS", 1000)
    with Journal(tmp_path / "j.sqlite") as journal:
        assert not journal.wants_checkpoint
        journal.keep_answer("k", "m", {"text": "a" * 1000})
        journal.flush()
        assert journal.wants_checkpoint
        journal.checkpoint()
        assert not journal.wants_checkpoint


def test_a_journal_of_another_format_is_refused_in_words(tmp_path):

    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        db.execute("pragma user_version = 99")
    with pytest.raises(RunError, match="format 99"):
        Journal(tmp_path / "j.sqlite")


def test_what_was_flushed_survives_kill_9(tmp_path):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path
        from constitutional.store.journal import Journal
        journal = Journal(Path(sys.argv[1]))
        for number in range(10_000):
            journal.keep_answer(str(number), "m", {"text": str(number)})
            journal.flush()
            print(number, flush=True)
    """)
    path = tmp_path / "j.sqlite"
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if int(line) >= 200:
            os.kill(process.pid, signal.SIGKILL)
            break
    said = int(line)
    process.wait()
    with Journal(path) as journal:
        assert all(journal.answer(str(number)) == {"text": str(number)} for number in range(said + 1))


def test_two_processes_may_share_a_journal(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as other:
        one.keep_answer("a", "m", {"text": "1"})
        one.flush()
        other.keep_answer("b", "m", {"text": "2"})
        other.flush()
        assert (one.answer("b"), other.answer("a")) == ({"text": "2"}, {"text": "1"})


def test_a_row_that_moves_has_one_place(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.keep_outcome("step", "a", (0, 1, 2), {"n": 1})
        journal.flush()
        journal.move_outcome("step", "a", (0, 5), {"n": 1})
        journal.flush()
        assert list(journal.outcomes("step")) == [((0, 5), {"n": 1})]


def test_of_rows_that_two_processes_gave_different_places_the_last_stay(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as other:
        for place, row in enumerate("abc"):
            one.keep_outcome("step", row, (0, place), {"row": row})
            one.flush()
            other.keep_outcome("step", row, (0, 7, place), {"row": row})
        other.flush()
        assert one.count("step") == 6
        with one.reader() as reader:
            reader.keep_last("step")
        assert [(place, said["row"]) for place, said in other.outcomes("step")] == [
            ((0, 7, 0), "a"), ((0, 7, 1), "b"), ((0, 7, 2), "c")
        ]  # fmt: skip
        assert one.go_on("step") == 3
        assert one.outcome("step", "b") == ((0, 7, 1), {"row": "b"})


def test_a_table_that_another_process_dropped_is_made_again_however_late_it_is_seen(tmp_path):
    """Looking for answers sees that something has changed, and must not hide it from the next transaction."""
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as other:
        one.keep_outcome("step", "a", (0, 0), {"row": "a"})
        one.flush()
        other.forget("step")
        time.sleep(0.02)
        assert one.answer("unknown") is None
        one.keep_outcome("step", "b", (0, 1), {"row": "b"})
        one.flush()
        assert [said["row"] for _, said in one.outcomes("step")] == ["b"]


def test_a_table_that_goes_while_it_is_asked_for_has_nothing(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as other:
        one.keep_outcome("step", "a", (0, 0), {"row": "a"})
        one.flush()
        other.forget("step")
        assert one.count("step") == one.go_on("step") == 0
        one.keep_last("step")
        assert one.outcome("step", "a") is None


def test_a_snapshot_sees_nothing_of_what_comes_later(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one:
        for number in range(3 * READ_TOGETHER):
            one.keep_outcome("step", str(number), (0, number), {"n": number})
        one.flush()
        with one.reader() as reader, reader.snapshot():
            lines = reader.lines("step")
            found = [next(lines)]
            one.forget("step")
            found += lines
            assert reader.without_twins("step")
        assert [json.loads(line)["n"] for _, text in found for line in text.split(b"\n")] == list(range(192))


def test_rows_that_are_too_much_together_are_read_one_by_one(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        for number in range(5):
            journal.keep_outcome("step", str(number), (0, number), {"n": "x" * 1000})
        journal.flush()
        with journal.reader() as reader:
            reader._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 3000)
            portions = [text.count(b"x") for _, text in reader.lines("step")]
            assert portions[0] == 1000
            assert sum(portions) == 5000


def test_whether_anybody_else_wrote_into_a_step_is_known(tmp_path):
    with Journal(tmp_path / "j.sqlite") as one, Journal(tmp_path / "j.sqlite") as other:
        for number in range(70):
            one.keep_outcome("step", str(number), (0, number), {"n": number})
            if number % 7 == 0:
                one.flush()
        one.flush()
        assert one.inserted("step") == 70
        assert other.untouched("step", one.inserted("step"))
        other.keep_outcome("step", "0", (0, 0), {"n": 0})
        other.flush()
        assert not one.untouched("step", one.inserted("step"))
        assert one.without_twins("step")
        other.keep_outcome("step", "0", (0, 99), {"n": 0})
        other.flush()
        assert not one.without_twins("step")
        one.forget("step")
        assert not one.untouched("step", one.inserted("step"))
