from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from constitutional.ids import digest
from constitutional.store.journal import Journal
from constitutional.store.known import Known


@given(st.sets(st.text(), max_size=200))
def test_none_is_forgotten(keys):
    known = Known()
    for key in keys:
        known.add(key)
    assert all(known.may_have(key) for key in keys)


def test_few_are_named_that_were_never_added():
    known = Known()
    for number in range(100_000):
        known.add(digest(number))
    assert sum(known.may_have(digest(-1 - number)) for number in range(10_000)) < 10


def test_answers_of_an_earlier_process_are_known(tmp_path):
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.keep_answer("a", "m", {"text": "1"})
    with Journal(tmp_path / "j.sqlite") as journal:
        assert journal.answer("a") == {"text": "1"}
        assert journal.answer("b") is None
        journal.keep_answer("b", "m", {"text": "2"})
        journal.flush()
        assert journal.answer("b") == {"text": "2"}


def test_rows_of_every_number_are_all_kept(tmp_path):
    for count in (1, 3, 63, 64, 65, 150):
        with Journal(tmp_path / f"{count}.sqlite") as journal:
            for number in range(count):
                journal.keep_answer(f"k{number}", "m", {"text": str(number)})
                journal.keep_outcome("step", f"r{number}", (0, number), {"n": number})
            assert journal.pending == 2 * count
            journal.flush()
            assert [outcome["n"] for _, outcome in journal.outcomes("step")] == list(range(count))
            assert all(journal.answer(f"k{number}") == {"text": str(number)} for number in range(count))
