"""The budget: a run stops cleanly when it is spent, says so, and goes on with a larger one."""

import asyncio
import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.backend import Completion, Request
from constitutional.engine.commit import Commit
from constitutional.engine.context import Calls
from constitutional.engine.dispatch import Dispatcher, Shares
from constitutional.engine.limits import Budget
from constitutional.engine.meter import Bill, Meter
from constitutional.engine.run import run
from constitutional.errors import BudgetSpent, NotNow, Unanswered, UserError
from constitutional.plan.prices import Price, Prices, Table
from constitutional.store.artifacts import ROWS
from constitutional.store.folder import RunFolder, Store
from constitutional.store.journal import Journal
from constitutional.store.spending import CLOCK
from tests.engine.support import Echo, chain, echo_use, registry, user

TEXTS = [f"prompt {number}" for number in range(40)]
PRICES = Prices([Table("test", {"ech?": Price(input=1000, output=3000)})])


@pytest.fixture(autouse=True)
def _fresh():
    Echo.calls.clear()
    Echo.batches.clear()


def spent(store):
    return sum(one.calls for one in store.journal.spent("test") if one.model != CLOCK)


def limited(**budget):
    return chain(TEXTS, limits={"budget": budget})


def test_a_budget_of_calls_is_exact_and_a_larger_one_goes_on_without_repeating(tmp_path):
    store = Store(tmp_path / "a")
    with pytest.raises(BudgetSpent, match=r"30 of 30 calls; .*: 30 calls, 60 tokens") as stopped:
        run(limited(calls=30), registry(), store)
    assert stopped.value.exit_code == 1
    assert "--set budget.calls=" in str(stopped.value.help)
    assert len(Echo.calls) == spent(store) == 30
    assert RunFolder(store, "test").manifest()["status"] == "budget-spent"
    result = run(limited(calls=80), registry(), store)
    assert result.status == "finished"
    assert (result.spending.now.calls, result.spending.life.calls) == (50, 80)
    assert len(Echo.calls) == len(set(Echo.calls)) == 80
    whole = Store(tmp_path / "b")
    run(chain(TEXTS), registry(), whole)
    made = [s.artifacts.path(chain(TEXTS)["collected"].fingerprint, "") / ROWS for s in (store, whole)]
    assert made[0].read_bytes() == made[1].read_bytes()


def test_spending_counts_over_the_whole_life_of_a_run(tmp_path):
    for _ in range(2):
        store = Store(tmp_path)
        with pytest.raises(BudgetSpent):
            run(limited(calls=30), registry(), store)
        store.close()
    assert len(Echo.calls) == 30


def test_what_is_known_already_costs_nothing(tmp_path):
    store = Store(tmp_path)
    run(chain(TEXTS), registry(), store)
    for step in ("answers", "complaints", "collected"):
        store.artifacts.remove(chain(TEXTS)[step].fingerprint)
    assert run(limited(calls=80), registry(), store).status == "finished"
    assert len(Echo.calls) == spent(store) == 80


def test_a_budget_decides_no_fingerprint():
    steps = [(name, step.fingerprint) for name, step in chain(TEXTS).steps.items()]
    assert steps == [(name, step.fingerprint) for name, step in limited(calls=3).steps.items()]


@pytest.mark.parametrize(("budget", "each"), [({"tokens": 3000}, 1.0), ({"dollars": 2.0}, 0.001)])
def test_tokens_and_dollars_end_below_their_limit_and_a_larger_one_goes_on(tmp_path, budget, each):
    (name,) = budget
    store, starts = Store(tmp_path), 0
    with pytest.raises(BudgetSpent, match=f"of .* {name}, and one more question may take"):
        run(limited(**{name: 200 * each}), registry(), store, prices=PRICES)
    assert not Echo.calls
    limit = 280.0
    while True:
        starts += 1
        try:
            run(limited(**{name: limit * each}), registry(), store, prices=PRICES)
            break
        except BudgetSpent:
            calls = [one for one in store.journal.spent("test") if one.model != CLOCK]
            used = {"tokens": sum(c.read + c.written for c in calls), "dollars": sum(c.dollars for c in calls)}
            assert used[name] <= limit * each
            limit += 60 if name == "tokens" else 300
    assert starts > 1
    assert len(set(Echo.calls)) == len(Echo.calls) == 80


def test_hours_at_work_are_counted_over_starts_too(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(BudgetSpent, match="hours"):
        run(chain(TEXTS, {"budget": {"hours": 0.0001}}, batch=1, seconds=0.1), registry(), store)
    assert 0 < len(Echo.calls) < 40
    before = len(Echo.calls)
    with pytest.raises(BudgetSpent, match="hours"):
        run(chain(TEXTS, {"budget": {"hours": 0.0001}}, batch=1, seconds=0.1), registry(), store)
    assert len(Echo.calls) == before
    run(chain(TEXTS, {"budget": {"hours": 1}}, batch=8), registry(), store)
    assert len(set(Echo.calls)) == 80


def test_dollars_need_a_price_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(Echo, "price", None)
    with pytest.raises(UserError, match="needs to know what `echo` costs") as stopped:
        run(limited(dollars=1), registry(), Store(tmp_path))
    assert stopped.value.exit_code == 2
    assert Echo.calls == []
    result = run(chain(TEXTS), registry(), Store(tmp_path))
    assert (result.spending.life.unpriced, result.spending.life.dollars) == (80, 0)


def test_the_end_of_a_run_says_what_it_spent(tmp_path):
    run(limited(calls=160), registry(), Store(tmp_path), prices=PRICES)
    said = [json.loads(line) for line in (tmp_path / "test/events.jsonl").read_text().splitlines()][-1]["spending"]
    assert (said["life"]["calls"], said["life"]["tokens_in"], said["life"]["tokens_out"]) == (80, 80, 80)
    assert said["limits"] == {"calls": 160}
    assert said["life"]["dollars"] == pytest.approx(0.32)


def test_an_older_journal_gains_the_table(tmp_path):
    Store(tmp_path).journal.close()
    path = tmp_path / ".store/journal.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("drop table spent")
    assert Store(tmp_path).journal.spent() == []


def bill(answer, question=None):
    return Bill("s", "generator/s", echo_use(), question or Request((user("x" * 40),), max_new_tokens=5), answer)


def test_an_answer_that_is_of_no_use_is_paid_for_all_the_same():
    meter = Meter(prices=PRICES)
    useless = Unanswered("unparseable")
    useless.usage = (1000, 10)
    meter.settle(bill(useless))
    meter.settle(bill(NotNow("busy")))
    meter.settle(bill(ZeroDivisionError()))
    life = meter.spending().life
    assert (life.calls, life.tokens_in, life.tokens_out) == (1, 1000, 10)
    assert life.dollars == pytest.approx(1.03)


def test_tokens_that_nobody_counted_are_guessed_from_letters():
    meter = Meter()
    meter.settle(bill(Completion("y" * 80)))
    assert (meter.spending().life.tokens_in, meter.spending().life.tokens_out) == (10, 20)


@settings(deadline=None)
@given(
    limit=st.integers(0, 200),
    sizes=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.floats(0, 1)), max_size=30),
    most=st.integers(1, 5),
)
def test_no_more_is_spent_than_the_limit_whatever_is_in_flight(limit, sizes, most):
    meter, flying = Meter(Budget(tokens=limit)), []
    for read, written, share in sizes:
        question = Request((user("x" * 4 * read),), max_new_tokens=written)
        while len(flying) == most or (flying and not meter.take(echo_use(), question)):
            meter.settle(flying.pop(0))
            if len(flying) < most and meter.take(echo_use(), question):
                break
        else:
            if not flying and not meter.take(echo_use(), question):
                assert meter.over() is not None
                break
        answer = Completion("a", "stop", read, max(1, int(written * share)))
        flying.append(bill(answer, question))
    for one in flying:
        meter.settle(one)
    assert meter.spending().life.tokens <= limit


def test_prompts_that_were_longer_than_their_letters_say_are_expected_to_be_so_again():
    meter, question = Meter(Budget(tokens=1000)), Request((user("x" * 40),), max_new_tokens=5)
    assert meter.take(echo_use(), question)
    meter.settle(bill(Completion("a", "stop", 400, 5), question))
    assert meter.take(echo_use(), question)
    assert not meter.take(echo_use(), Request((user("y" * 40),), max_new_tokens=5))
    assert meter.over() is None
    meter.settle(bill(Completion("a", "stop", 400, 5), question))
    assert not meter.take(echo_use(), Request((user("y" * 40),), max_new_tokens=5))
    assert "one more question may take 405" in str(meter.over())
    assert meter.spending().life.tokens == 810


def test_who_waits_for_room_gives_way_to_who_holds_it(tmp_path):
    """One model has the accelerator and no room in the budget; the other has the room and no accelerator."""

    class Claimed(Echo):
        claims = frozenset({"gpu:0"})

    async def meet() -> tuple[int, str]:
        with Journal(tmp_path / "journal.sqlite") as journal:
            meter = Meter(Budget(calls=2))
            dispatcher = Dispatcher(Commit(journal), lambda use: Claimed(use.params), meter=meter)
            first, second = (dispatcher.queue(echo_use(model=name, seconds=0.2)) for name in ("first", "second"))
            one = asyncio.create_task(first.ask(Request((user("one"),)), 1, Calls()))
            await asyncio.sleep(0.05)
            other = asyncio.create_task(second.ask(Request((user("two"),)), 1, Calls()))
            await asyncio.sleep(0.05)
            with pytest.raises(BudgetSpent, match="2 of 2 calls"):
                await asyncio.wait_for(first.ask(Request((user("three"),)), 1, Calls()), 10)
            await asyncio.gather(one, other)
            await dispatcher.close()
            return meter.spending().now.calls, (await other).text

    assert asyncio.run(meet()) == (2, "two! 0")


def test_what_goes_on_at_once_shares_the_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("constitutional.engine.dispatch.time.monotonic", lambda: now[0])
    shares = Shares()
    first = shares.now(0)
    now[0] = 2.0
    second = shares.now(1)
    now[0] = 6.0
    assert shares.now(2) - first == 4.0
    now[0] = 7.0
    assert shares.now(1) - second == 3.0
