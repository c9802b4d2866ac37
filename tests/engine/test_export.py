"""Exports: the rows of a step become its artifact, whoever else works on the same step at the same time."""

import threading
from types import SimpleNamespace

import pytest

from constitutional.engine.account import Account
from constitutional.engine.export import Export
from constitutional.engine.stream import Outcome
from constitutional.errors import StepFailed
from constitutional.records import Prompt, user
from constitutional.store.columns import read_rows
from constitutional.store.folder import Store

STEP = SimpleNamespace(fingerprint="ab" * 32, path="generator/x", parts={}, name="s")
ROWS = 1500


def said(number):
    return Outcome("kept", rows=[Prompt(row_id=f"r{number}", prompt=(user("hi"),))]).to_json()


def written(store):
    path = store.artifacts.path(STEP.fingerprint, "") / "rows.parquet"
    return [row.row_id for row in read_rows(path, Prompt)]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.close()


def kept(store, account, numbers, *middle):
    for number in numbers:
        account.rows_in += 1
        account.rows_out += 1
        account.book("kept")
        store.journal.keep_outcome(STEP.fingerprint, f"r{number}", (0, *middle, number), said(number))
    store.journal.flush()


def test_rows_are_written_bit_by_bit_in_their_order(store):
    export, account = Export(store, STEP, Prompt), Account()
    for start in range(0, ROWS, 300):
        kept(store, account, range(start, start + 300))
        export.extend((0, start + 200))
    finished = export.finish(account, {2})
    assert finished.outputs[""].rows == ROWS
    assert written(store) == [f"r{number}" for number in range(ROWS)]


@pytest.mark.parametrize("begun", [False, True], ids=["at once", "bit by bit"])
def test_rows_that_another_run_gives_other_places_meanwhile_are_there_once(store, tmp_path, begun):
    """It found what comes before as an artifact, where this one reads a stream: the same rows, other places."""
    export, account = Export(store, STEP, Prompt), Account()
    kept(store, account, range(ROWS), 0)
    if begun:
        export.extend((0, 0, 700))

    def move():
        other = Store(tmp_path)
        other.journal.go_on(STEP.fingerprint)
        for number in range(ROWS):
            found = other.journal.outcome(STEP.fingerprint, f"r{number}")
            if found is None:
                break
            other.journal.move_outcome(STEP.fingerprint, f"r{number}", (0, number), found[1])
            if number % 50 == 0:
                other.journal.flush()
        other.close()

    moving = threading.Thread(target=move)
    moving.start()
    export.finish(account, {3})
    moving.join()
    assert written(store) == [f"r{number}" for number in range(ROWS)]


def test_rows_that_another_run_did_away_with_are_missed(store, tmp_path, monkeypatch):
    monkeypatch.setattr("constitutional.engine.export.WAITS", (0.0, 0.0))
    export, account = Export(store, STEP, Prompt), Account()
    kept(store, account, range(100))
    other = Store(tmp_path)
    other.journal.forget(STEP.fingerprint)
    other.close()
    kept(store, account, range(100, 120))
    with pytest.raises(StepFailed, match="120 rows were made, 20 are there"):
        export.finish(account, {2})
    export.drop()
    assert not store.artifacts.has(STEP.fingerprint)
    assert not list((tmp_path / ".store" / "artifacts" / "tmp").iterdir())


def test_what_another_run_has_finished_is_taken(store, tmp_path):
    mine, account = Export(store, STEP, Prompt), Account()
    kept(store, account, range(100))
    other = Store(tmp_path)
    finished = Export(other, STEP, Prompt).finish(account, {2})
    other.journal.forget(STEP.fingerprint)
    other.close()
    assert mine.finish(account, {2}) == finished
    assert written(store) == [f"r{number}" for number in range(100)]
