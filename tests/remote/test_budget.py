"""Budgets: a run stops when one is used up, keeps everything, and goes on."""

import pytest

from constitutional.backend import Completion
from constitutional.engine.meter import Budget, Meter
from constitutional.errors import BudgetSpent, UserError
from tests.engine.support import Echo, EchoParams
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


@pytest.mark.parametrize("budget", [{"calls": 10}, {"tokens": 60}, {"dollars": 0.0001}])
def test_a_run_stops_at_its_budget_and_goes_on_without_repeating(tmp_path, budget):
    with serving() as server:
        whole = write(tmp_path / "whole", server.url, ROWS, concurrency=2)
        run_spec(whole, tmp_path / "whole" / "runs")
        server.asked.clear()
        price = {"input": 1.0, "output": 2.0}
        spec = limited(write(tmp_path / "cut", server.url, ROWS, concurrency=2, price=price), **budget)
        stops = 0
        while True:
            try:
                run_spec(spec, tmp_path / "cut" / "runs")
                break
            except BudgetSpent as spent:
                stops += 1
                assert "spent in all" in str(spent)
                assert "same command" in (spent.help or "")
        assert stops >= 2
        assert sum(server.asked.values()) == 2 * ROWS
        assert artifacts(tmp_path / "cut" / "runs") == artifacts(tmp_path / "whole" / "runs")
        assert events(tmp_path / "cut" / "runs", "run_finished")[0]["status"] == "failed"


def test_a_budget_in_dollars_needs_prices(tmp_path):
    with serving() as server:
        spec = limited(write(tmp_path, server.url, ROWS), dollars=1)
        with pytest.raises(UserError, match="what m costs"):
            run_spec(spec, tmp_path / "runs")
        assert not server.asked


def test_hours_count_from_the_start():
    now = [0.0]
    meter = Meter(Budget(hours=2), lambda: now[0])
    assert meter.over() is None
    now[0] = 7200.0
    assert "2 of 2.0 hours" in str(meter.over())


def test_the_meter_counts_dollars_by_price():
    class Paid(Echo):
        price = (3.0, 15.0)

    meter = Meter()
    meter.spend(Completion("x", "stop", 1_000_000, 100_000), Paid(EchoParams()))
    assert meter.dollars == pytest.approx(4.5)
    assert meter.said() == {"calls": 1, "tokens": 1_100_000, "dollars": pytest.approx(4.5)}


def test_a_budget_with_a_mistake_is_an_error_at_its_place(tmp_path):
    from constitutional.cli.opening import open_spec
    from constitutional.errors import SpecError

    spec = limited(write(tmp_path, "http://127.0.0.1:1/v1", 2), token=5)
    with pytest.raises(SpecError) as caught:
        open_spec(spec, ())
    (said,) = caught.value.diagnostics
    assert "`token`" in said.message
    assert ":12:10" in str(said)
