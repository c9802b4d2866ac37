"""The engine: everything once, in order, accounted for, and not lost."""

import json

import pytest

from constitutional.engine.run import run
from constitutional.errors import RunError, RunLocked, StepFailed
from constitutional.events import StepFinished
from constitutional.records import Critique, Response
from constitutional.store.artifacts import ROWS
from constitutional.store.columns import read_rows
from constitutional.store.folder import RunFolder, Store
from tests.engine.support import Answer, Echo, chain, echo_use, plan_of, registry, row_step, source_step

TEXTS = [f"prompt {number}" for number in range(40)]


@pytest.fixture(autouse=True)
def _fresh():
    Echo.calls.clear()
    Echo.batches.clear()


def rows(store, plan, step, record):
    return list(read_rows(store.artifacts.path(plan[step].fingerprint, "") / ROWS, record))


def events(store, plan, kind):
    lines = (store.root / plan.name / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == kind]


def test_a_chain_runs_in_order_and_rows_keep_theirs(tmp_path):
    store, plan = Store(tmp_path), chain(TEXTS)
    result = run(plan, registry(), store)
    assert (result.status, result.done, result.reused) == ("finished", 4, 0)
    answers = rows(store, plan, "answers", Response)
    assert [row.prompt[0].content for row in answers] == TEXTS
    complaints = rows(store, plan, "complaints", Critique)
    assert [row.parents[0] for row in complaints] == [row.row_id for row in answers]
    assert len(Echo.calls) == 80


def test_the_same_run_again_asks_nothing(tmp_path):
    store = Store(tmp_path)
    run(chain(TEXTS), registry(), store)
    Echo.calls.clear()
    result = run(chain(TEXTS), registry(), store)
    assert (result.done, result.reused, Echo.calls) == (0, 4, [])


def test_ten_more_prompts_ask_for_ten(tmp_path):
    store = Store(tmp_path)
    run(chain(TEXTS), registry(), store)
    Echo.calls.clear()
    run(chain([*TEXTS, *(f"new {n}" for n in range(10))]), registry(), store)
    assert len(Echo.calls) == 20
    assert all("new" in text for text in Echo.calls)


def test_batches_are_full_and_rows_do_not_depend_on_them(tmp_path):
    made = []
    for batch in (1, 8):
        Echo.batches.clear()
        store, plan = Store(tmp_path / str(batch)), chain(TEXTS, batch=batch)
        run(plan, registry(), store)
        assert max(Echo.batches) == batch
        made.append((store.artifacts.path(plan["collected"].fingerprint, "") / ROWS).read_bytes())
    assert made[0] == made[1]


def test_every_row_is_accounted_for(tmp_path):
    texts = [*TEXTS, "drop me", "break me", "no thanks"]
    store, plan = Store(tmp_path), chain(texts, refuse="no thanks")
    run(plan, registry(), store)
    (finished,) = [e for e in events(store, plan, "step_finished") if e["step"] == "answers"]
    assert finished["ledger"] == {"kept": 40, "dropped": 1, "abstained": 0, "unscored": 1, "failed": 1}
    assert finished["reasons"] == {
        "dropped": {"asked for it": 1},
        "unscored": {"refused": 1},
        "failed": {"ZeroDivisionError": 1},
    }
    assert {e["reason"] for e in events(store, plan, "row_failed")} == {"refused", "ZeroDivisionError"}
    assert len(rows(store, plan, "complaints", Critique)) == 40


def test_too_many_failures_stop_the_run_and_keep_what_was_done(tmp_path):
    texts = [*TEXTS, *["no thanks"] * 20]
    store = Store(tmp_path)
    with pytest.raises(StepFailed, match="refused"):
        run(chain(texts, refuse="no thanks"), registry(), store)
    assert RunFolder(store, "test").manifest()["status"] == "failed"
    asked = len(Echo.calls)
    Echo.calls.clear()
    run(chain(texts, limits={"max_failures": 0.5}), registry(), store)
    assert len(Echo.calls) + asked >= 120
    assert not {text for text in Echo.calls if "prompt" in text and "wrong" not in text} & set(TEXTS[:8])


def test_a_step_that_lies_about_its_rows_is_found(tmp_path):
    from constitutional.engine.account import Account

    account = Account(rows_in=3)
    account.book("kept", rows=2)
    with pytest.raises(RunError, match="3 rows went in, but 2"):
        account.close("s")


def test_rows_stream_without_a_barrier(tmp_path):
    """The first complaint is asked for while answers are still being drafted."""
    run(chain([f"p{n}" for n in range(64)], batch=4, limits={"rows_in_flight": 8}), registry(), Store(tmp_path))
    first = next(i for i, text in enumerate(Echo.calls) if text.startswith("what is wrong"))
    last = max(i for i, text in enumerate(Echo.calls) if not text.startswith("what is wrong"))
    assert first < last


def test_twins_in_flight_share_one_question(tmp_path):
    use = echo_use(seconds=0.05)
    one, other = source_step(["same"], "one"), source_step(["same"], "other")
    steps = [row_step(Answer, f"a_{s.name}", {"prompts": [s]}, use, 1) for s in (one, other)]
    run(plan_of(one, other, *steps), registry(), Store(tmp_path))
    assert len(Echo.calls) == 1


def test_two_runs_of_one_spec_at_the_same_time_do_not_mix(tmp_path):
    store = Store(tmp_path)
    with RunFolder(store, "test").locked(), pytest.raises(RunLocked):
        run(chain(TEXTS), registry(), store)
    assert run(chain(TEXTS), registry(), store).status == "finished"


def test_observers_hear_what_happened(tmp_path):
    heard = []
    run(chain(TEXTS), registry(), Store(tmp_path), observers=[heard.append])
    assert [e.step for e in heard if isinstance(e, StepFinished)] == ["prompts", "answers", "complaints", "collected"]
