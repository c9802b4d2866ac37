"""The log of answers: whatever is folded when, and by whomever, everybody finds the answer that counts."""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.store import answers
from constitutional.store.journal import FORMAT, Journal

KEYS = st.sampled_from([f"key {n}" for n in range(12)])
WHO = st.integers(0, 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("keep"), WHO, KEYS),
        st.tuples(st.just("replace"), WHO, KEYS),
        st.tuples(st.just("flush"), WHO, KEYS),
        st.tuples(st.just("ask"), WHO, KEYS),
        st.tuples(st.just("reopen"), WHO, KEYS),
    ),
    max_size=60,
)


@pytest.fixture(params=[50_000, 2], ids=["filtered", "asked"])
def small(request, monkeypatch):
    """Fold after a few keys; look at what others do with every question."""
    monkeypatch.setattr(answers, "FOLD", 4)
    monkeypatch.setattr(answers, "MOST_READ", request.param)
    monkeypatch.setattr("constitutional.store.journal.LOOK_SECONDS", -1.0)


@pytest.mark.usefixtures("small")
def test_everybody_finds_the_answer_that_counts():
    everybody_finds_it()


@settings(max_examples=150, deadline=None)
@given(STEPS)
def everybody_finds_it(steps):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j.sqlite"
        journals = [Journal(path), Journal(path)]
        pending: list[dict[str, tuple[str, bool]]] = [{}, {}]
        counts: dict[str, str] = {}
        for number, (what, who, key) in enumerate(steps):
            journal = journals[who]
            if what in ("flush", "reopen"):
                journal.flush()
                for one, (said, replaces) in pending[who].items():
                    counts[one] = said if replaces else counts.get(one, said)
                pending[who] = {}
                if what == "reopen":
                    journal.close()
                    journals[who] = Journal(path)
            elif what == "ask":
                assert journal.answer(key) == ({"text": counts[key]} if key in counts else None)
            elif key not in pending[who] and (what == "keep" or key in counts):
                # As a run does it: a question is looked up first, asked once, and replaced where it was known.
                journal.answer(key)
                pending[who][key] = (str(number), what == "replace")
                journal.keep_answer(key, "m", {"text": str(number)}, replace=what == "replace")
        for journal in journals:
            journal.flush()
        for who in (0, 1):
            for one, (said, replaces) in pending[who].items():
                counts[one] = said if replaces else counts.get(one, said)
        for journal in (*journals, Journal(path)):
            assert {key: journal.answer(key) for key in counts} == {k: {"text": said} for k, said in counts.items()}
            journal.close()


def test_keys_are_folded_in_the_transaction_of_their_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "FOLD", 10)
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.answer("0") is None
        for number in range(25):
            journal.keep_answer(str(number), "m", {"text": str(number)})
            journal.flush()
        with sqlite3.connect(tmp_path / "j.sqlite") as db:
            assert db.execute("select count(*) from keys").fetchone() == (20,)
            assert db.execute("select upto from folded").fetchone() == (20,)
        assert all(journal.answer(str(number)) == {"text": str(number)} for number in range(25))


def test_a_transaction_that_fails_folds_nothing_and_loses_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(answers, "FOLD", 4)
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.answer("0")
        for number in range(6):
            journal.keep_answer(str(number), "m", {"text": str(number)})
        with monkeypatch.context() as patch:
            patch.setattr("constitutional.store.journal.spending.ADD", "no statement")
            journal._spent[("run", "step", "stage", "model")] = [(1,)]
            with pytest.raises(Exception, match="syntax"):
                journal.flush()
        journal._spent.clear()
        assert journal.answer("3") is None
        journal.flush()
        assert all(journal.answer(str(number)) == {"text": str(number)} for number in range(6))


def test_an_answer_that_is_replaced_leaves_nothing_behind(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.answer("k")
        journal.keep_answer("k", "m", {"text": "1"})
        journal.flush()
        journal.keep_answer("k", "m", {"text": "2"}, replace=True)
        journal.flush()
    with sqlite3.connect(tmp_path / "j.sqlite") as db:
        assert db.execute("select key, answer from calls").fetchall() == [("k", '{"text":"2"}')]


def test_what_the_format_before_kept_is_taken_over(tmp_path):
    path = tmp_path / "j.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript("""
            create table calls (key text not null unique, model text not null, answer text not null);
            insert into calls values ('b', 'm', '{"text": "1"}'), ('a', 'm', '{"text": "2"}');
            create table rows_step (place blob not null unique, row text not null unique, outcome text not null);
            insert into rows_step values (x'00000001', 'r', '{"n": 1}');
            pragma user_version = 3;
        """)
    for _ in range(2):
        with Journal(path) as journal:
            assert (journal.answer("a"), journal.answer("b")) == ({"text": "2"}, {"text": "1"})
            assert journal.answer("c") is None
            assert journal.go_on("step") == 1
            assert journal.outcome("step", "r") == ((1,), {"n": 1})
    with sqlite3.connect(path) as db:
        assert db.execute("pragma user_version").fetchone() == (FORMAT,)
        assert db.execute("select count(*) from sqlite_master where name = 'calls_3'").fetchone() == (0,)
