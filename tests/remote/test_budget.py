"""Budgets: a run stops when one is used up, keeps everything, and goes on."""

import shutil

import pytest

from constitutional.engine.limits import Budget
from constitutional.engine.meter import Meter
from constitutional.errors import BudgetSpent, UserError
from tests.remote.server import serving
from tests.remote.support import artifacts, events, run_spec, write

ROWS = 24


def limited(spec, **budget):
    text = spec.read_text()
    said = ", ".join(f"{name}: {value}" for name, value in budget.items())
    spec.write_text(
        text.partition("limits:")[0] + f"limits: {{max_failures: 0.0, rows_in_flight: 4}}\nbudget: {{{said}}}\n"
    )
    return spec


PRICE = {"input": 1.0, "output": 2.0}


@pytest.mark.parametrize(
    ("name", "least", "more"), [("calls", 10, 15), ("tokens", 80, 60), ("dollars", 0.00015, 0.0001)]
)
def test_a_run_stops_below_its_budget_and_goes_on_with_a_larger_one(tmp_path, name, least, more):
    """The server counts for itself: what it says it was asked and wrote is what the run says it spent."""
    with serving() as server:
        whole = write(tmp_path / "whole", server.url, ROWS, concurrency=2)
        run_spec(whole, tmp_path / "whole" / "runs")
        server.asked.clear()
        stops, limit, root = 0, least, tmp_path / "cut" / "runs"
        while True:
            spec = limited(write(tmp_path / "cut", server.url, ROWS, concurrency=2, price=PRICE), **{name: limit})
            try:
                result = run_spec(spec, root)
                break
            except BudgetSpent as spent:
                stops, limit = stops + 1, limit + more
                assert "spent in the whole life" in str(spent)
                assert f"--set budget.{name}" in (spent.help or "")
                assert sum(server.asked.values()) <= 10 + 15 * (stops - 1) or name != "calls"
                said = events(root, "run_finished")[-1]
                assert said["status"] == "budget-spent"
                life = said["spending"]["life"]
                amounts = {**life, "tokens": life["tokens_in"] + life["tokens_out"]}
                assert amounts[name] <= said["spending"]["limits"][name]
        assert stops >= 2
        assert sum(server.asked.values()) == 2 * ROWS
        assert artifacts(root) == artifacts(tmp_path / "whole" / "runs")
        life = result.spending.life
        assert (life.calls, life.tokens_in, life.tokens_out) == (2 * ROWS, *used(server))
        assert life.dollars == pytest.approx((life.tokens_in + 2 * life.tokens_out) / 1e6)


def used(server):
    """Tokens that the server has counted, of each question once."""
    half = server.usage[len(server.usage) // 2 :]
    return sum(read for read, _ in half), sum(written for _, written in half)


def test_an_answer_that_is_known_costs_nothing(tmp_path):
    with serving() as server:
        spec = write(tmp_path, server.url, ROWS, price=PRICE)
        run_spec(spec, tmp_path / "runs")
        (tmp_path / "runs" / "remote").rename(tmp_path / "away")
        shutil.rmtree(tmp_path / "runs" / ".store" / "artifacts")
        again = run_spec(limited(spec, calls=2 * ROWS), tmp_path / "runs")
        assert (again.spending.now.calls, again.spending.life.calls) == (0, 2 * ROWS)
        assert sum(server.asked.values()) == 2 * ROWS


def test_a_budget_in_dollars_needs_prices(tmp_path, monkeypatch):
    monkeypatch.delenv("CONSTITUTIONAL_PRICES", raising=False)
    with serving() as server:
        spec = limited(write(tmp_path, server.url, ROWS), dollars=1)
        with pytest.raises(UserError, match="what `m` costs") as refused:
            run_spec(spec, tmp_path / "runs")
        assert "CONSTITUTIONAL_PRICES" in str(refused.value.help)
        assert not server.asked
        prices = tmp_path / "mine.yaml"
        prices.write_text("prices: {m: {input: 1000, output: 1000}}\n")
        monkeypatch.setenv("CONSTITUTIONAL_PRICES", str(prices))
        assert run_spec(spec, tmp_path / "runs").spending.life.dollars > 0


def test_hours_count_from_the_start():
    now = [0.0]
    meter = Meter(Budget(hours=2), clock=lambda: now[0])
    meter.tick()
    assert meter.over() is None
    now[0] = 7200.0
    meter.tick()
    assert "2 of 2 hours" in str(meter.over())


def test_a_budget_with_a_mistake_is_an_error_at_its_place(tmp_path):
    from constitutional.cli.opening import open_spec
    from constitutional.errors import SpecError

    spec = limited(write(tmp_path, "http://127.0.0.1:1/v1", 2), token=5)
    with pytest.raises(SpecError) as caught:
        open_spec(spec, ())
    (said,) = caught.value.diagnostics
    assert "`token`" in said.message
    assert ":12:10" in str(said)
