"""Estimates: ranges that hold, what is known from earlier runs, and nothing for what is done."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.cli.opening import open_spec
from constitutional.engine.meter import spent_by
from constitutional.engine.run import run
from constitutional.errors import BudgetSpent
from constitutional.forecast import UNKNOWN, Range, exactly
from constitutional.plan.estimate import estimate
from constitutional.plan.experience import Taken
from constitutional.plan.measured import Measured, narrowed, wilson
from constitutional.plan.preview import preview
from constitutional.plan.prices import Price, Prices, Table
from constitutional.report.estimate import tell, to_json
from constitutional.store.folder import Store
from tests.engine.support import chain, registry
from tests.remote.server import serving
from tests.remote.support import run_spec, write

PRICES = Prices([Table("mine.yaml", {"scripted": Price(input=1, output=2)})])
RULES = "constitution: 1\nname: rules\nprinciples:\n  - {id: kind, rule: Be kind.}\n  - {id: safe, rule: Be safe.}\n"
SPEC = """
constitutional: 1
name: foretold
seed: 5
constitution: rules.yaml
models:
  m: {backend: scripted, rules: [{when: 'Critique request', say: ['It is rude, and long.', 'It is not kind.']},
      {when: 'Revision', say: 'A kind answer.'}, {say: ['Go away, please.', 'Why?', 'No.', 'Whatever you say to me']}]}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  draft: {generator: sample, model: m, prompts: prompts, with: {n: 2, temperature: 1.0, max_new_tokens: 20}}
  improve:
    repeat: 2
    from: draft
    stages:
      critique: {critic: principle, model: m, responses: previous, with: {max_new_tokens: 20}}
      revise: {reviser: rewrite, model: m, critiques: critique, with: {max_new_tokens: 20}}
  pairs: {generator: pair, model: m, prompts: prompts, with: {temperature: 1.0, max_new_tokens: 20}}
  once: {transform: dedupe, rows: pairs}
  votes: {labeller: multiple-choice, model: m, pairs: once, with: {principles: 2}}
  labels: {debiaser: position-swap, votes: votes}
"""


@pytest.fixture
def project(tmp_path):
    rows = "".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(40))
    (tmp_path / "prompts.jsonl").write_text(rows)
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def planned(project, *sets):
    (one,) = open_spec(project / "spec.yaml", sets)
    return one


def done(one, store):
    return run(one.plan, one.registry, store, say=lambda text: None)


def previewed(one, store, rows=5):
    return run(preview(one.plan, rows).plan, one.registry, store, say=lambda text: None)


def by_name(found):
    return {one.name: one for one in found.steps}


def inside(amount, bounds):
    return bounds.low - 1e-9 <= amount <= bounds.high + 1e-9


def test_rows_and_calls_of_a_run_lie_within_what_was_foretold(project):
    one, store = planned(project), Store(project / "runs")
    found = by_name(estimate(one.plan, store, PRICES))
    assert found["prompts"].rows == (40, 40)
    assert found["draft"].calls == (80, 80)
    assert found["improve.1.critique"].calls == (80, 80)
    assert found["improve.1.revise"].calls == (0, 80)
    assert found["pairs"].calls[0] == 80
    assert found["draft"].basis == "limits of the spec"
    assert not found["draft"].seconds.known
    assert not [p for p in (project / "runs").glob("**/*") if p.is_file()]
    result = done(one, store)
    events = [json.loads(line) for line in (result.folder.path / "events.jsonl").read_text().splitlines()]
    finished = [event for event in events if event["type"] == "step_finished"]
    assert len(finished) == len(one.plan.steps)
    for said in finished:
        assert inside(said["calls"], found[said["step"]].calls), said["step"]
        if said["step"] != "labels":
            assert inside(said["rows_out"], found[said["step"]].rows), said["step"]


@pytest.mark.parametrize("rows", [3, 8])
def test_after_a_preview_ranges_are_narrower_and_still_hold(project, rows):
    one, store = planned(project), Store(project / "runs")
    before = by_name(estimate(one.plan, store, PRICES))
    previewed(one, store, rows)
    found = by_name(estimate(one.plan, store, PRICES))
    draft = found["draft"]
    assert draft.basis == f"preview of {rows} rows; {2 * rows} calls of the preview"
    assert draft.written.high < before["draft"].written.high
    assert draft.seconds.known
    result = done(one, store)
    spent = {(s.step): s for s in store.journal.spent("foretold") if s.step}
    drafted = (
        spent["draft"].written + next(s for s in store.journal.spent("foretold-preview") if s.step == "draft").written
    )
    assert inside(drafted, draft.written)
    assert result.spending.life.calls == sum(s.calls for name in one.plan.life for s in store.journal.spent(name))


def test_a_run_that_has_begun_is_known_from_its_own_rows(project):
    whole, store = planned(project), Store(project / "runs")
    with pytest.raises(BudgetSpent):
        done(planned(project, "budget.calls=60", "limits.rows_in_flight=4"), store)
    found = estimate(whole.plan, store, PRICES)
    draft = by_name(found)["draft"]
    assert " of this run" in draft.basis
    assert 0 < draft.calls.high < 80
    result = done(whole, store)
    assert inside(result.spending.now.calls, Range(0, found.total.calls.high))


def test_what_is_done_costs_nothing_and_what_was_asked_before_is_measured(project):
    one, store = planned(project), Store(project / "runs")
    done(one, store)
    total = estimate(one.plan, store, PRICES).total
    assert (total.calls, total.dollars, total.seconds) == ((0, 0), (0, 0), (0, 0))
    changed = planned(project, "stages.votes.with.principles=1", "stages.draft.with.n=3")
    found = by_name(estimate(changed.plan, store, PRICES))
    assert found["once"].basis == "done"
    assert found["votes"].calls == (found["once"].rows.low * 2,) * 2
    assert found["draft"].calls == (120, 120)
    assert found["draft"].basis == "80 calls of this run"
    assert found["draft"].seconds.known
    assert found["draft"].read == (120 * 2, 120 * 2)


def test_a_price_that_nobody_knows_is_unknown_and_not_nothing(project, monkeypatch):
    monkeypatch.setattr("constitutional.builtin.backends.scripted.ScriptedBackend.price", None)
    one, store = planned(project, "budget.calls=10"), Store(project / "runs")
    found = estimate(one.plan, store, Prices())
    assert found.total.dollars == UNKNOWN
    assert found.unpriced == ["m"]
    spending = spent_by(one.plan, store)
    assert to_json(found, spending)["total"]["dollars"] == [0, None]
    text = "\n".join(tell(found, spending))
    assert "the price of `m` is not known" in text
    assert "goes beyond the budget: calls, 10" in text
    assert "$0" not in text
    priced = estimate(one.plan, store, PRICES).total
    assert priced.dollars.high == pytest.approx((priced.read.high + 2 * priced.written.high) / 1e6)


def test_tokens_and_dollars_of_a_server_lie_within_what_a_preview_foretold(tmp_path):
    with serving() as server:
        spec = write(tmp_path, server.url, 40, price={"input": 3, "output": 15}, requests_per_minute=60000)
        (one,) = open_spec(spec, ())
        with_store = Store(tmp_path / "runs")
        before = estimate(one.plan, with_store, Prices()).total
        assert before.seconds.low == pytest.approx(80 / 60000 * 60)
        previewed(one, with_store, 4)
        total = estimate(one.plan, with_store, Prices()).total
        with_store.close()
        life = run_spec(spec, tmp_path / "runs").spending.life
        assert inside(life.tokens_in, total.read)
        assert inside(life.tokens_out, total.written)
        assert inside(life.dollars, total.dollars)
        assert (life.tokens_in, life.tokens_out) == tuple(map(sum, zip(*server.usage, strict=True)))


def test_a_stage_that_says_nothing_is_unknown_until_it_was_seen(tmp_path):
    store, plan = Store(tmp_path), chain([f"prompt {n}" for n in range(30)])
    blind = by_name(estimate(plan, store, Prices()))
    assert blind["answers"].calls == blind["complaints"].dollars == UNKNOWN
    assert blind["answers"].basis == "unknown"
    assert "the stage does not say what it will ask" in "\n".join(
        tell(estimate(plan, store, Prices()), spent_by(plan, store))
    )
    run(preview(plan, 6).plan, registry(), store, say=lambda text: None)
    seen = by_name(estimate(plan, store, Prices()))
    assert seen["answers"].calls == seen["answers"].rows == seen["complaints"].calls == (30, 30)
    assert seen["answers"].basis == "preview of 6 rows; 6 calls of the preview"
    assert seen["answers"].read == seen["answers"].written == (30, 30)
    other = chain([f"prompt {n}" for n in range(30)], model="another")
    assert by_name(estimate(other, store, Prices()))["answers"].basis.startswith(
        "preview of 6 rows before the spec changed"
    )


def test_a_trainer_takes_as_long_as_last_time(tmp_path, project):
    one, store = planned(project), Store(project / "runs")
    text = SPEC + "  tuned: {trainer: sft, model: n, demonstrations: improve}\n"
    text = text.replace("models:\n", "models:\n  n: {backend: transformers, model: 'builtin:support-agent'}\n")
    (project / "spec.yaml").write_text(text)
    one = planned(project)
    assert by_name(estimate(one.plan, store, PRICES))["tuned"].seconds == UNKNOWN
    folder = project / "runs" / "foretold"
    folder.mkdir(parents=True)
    said = {"type": "step_finished", "step": "tuned", "rows_in": 40, "seconds": 30.0}
    (folder / "events.jsonl").write_text(json.dumps(said) + "\n")
    tuned = by_name(estimate(one.plan, store, PRICES))["tuned"]
    assert tuned.seconds.high == pytest.approx(60.0)
    assert tuned.basis == "its last run, on 40 rows"


# -- arithmetic ------------------------------------------------------------------------------------------------------


def taken(lengths, seconds=1.0, waits=1.0):
    squares = float(sum(n * n for n in lengths))
    return Taken(len(lengths), float(sum(lengths)), float(sum(lengths)), squares, squares, seconds, waits, "")


def test_nineteen_of_twenty_sums_lie_in_the_interval():
    stream, hits = random.Random(7), 0
    for _ in range(1000):
        draw = lambda: min(200, max(1, round(stream.gauss(80, 30))))  # noqa: E731
        foretold = taken([draw() for _ in range(8)]).writes(exactly(100), 200)
        hits += inside(sum(draw() for _ in range(100)), foretold)
    assert 930 <= hits <= 970


@given(
    st.lists(st.integers(0, 500), min_size=2, max_size=30),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(1, 600),
)
def test_an_interval_has_its_mean_in_it_and_no_answer_above_the_longest(lengths, low, more, most):
    calls = Range(low, low + more)
    found = taken(lengths).writes(calls, most)
    assert 0 <= found.low <= found.high
    assert found.high <= calls.high * most + 1e-6
    mean = sum(lengths) / len(lengths)
    assert found.low <= low * mean + 1e-6
    assert taken(lengths).reads(calls).high >= calls.high * mean - 1e-6


def test_prompts_of_a_spec_that_never_ran_are_guessed_between_two_and_six_letters_a_token(project):
    one, store = planned(project), Store(project / "runs")
    draft = by_name(estimate(one.plan, store, PRICES))["draft"]
    letters = 2 * sum(len(f"question {n}") for n in range(40))
    assert draft.read == (pytest.approx(letters / 6), pytest.approx(letters / 2 + 80 * 32))
    assert draft.written == (0, 80 * 20)


@given(st.floats(0, 1), st.integers(1, 1000))
def test_wilson_has_the_share_in_it(share, n):
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


@given(st.integers(0, 3), st.integers(0, 3), st.integers(0, 100), st.integers(1, 20), st.floats(0, 1))
def test_what_is_measured_stays_within_what_is_said(least, more, rows, seen, share):
    said = Range(least * rows, (least + more) * rows)
    known = Measured(seen, round(seen * (least + more * share)), 0, "")
    found = narrowed(said, exactly(rows), exactly(rows), known, known.calls)
    assert said.low - 1e-6 <= found.low <= found.high <= said.high + 1e-6
    assert narrowed(said, exactly(rows), exactly(rows), None, 0) == pytest.approx(said)


def test_where_nothing_is_said_the_measured_mean_stands():
    known = Measured(4, 12, 4, "")
    assert narrowed(UNKNOWN, exactly(100), exactly(90), known, 12) == (270, 270)
    assert narrowed(UNKNOWN, exactly(100), exactly(90), None, 0) == UNKNOWN


def test_more_in_flight_can_make_it_faster_and_not_slower():
    found = taken([1] * 10, seconds=10.0, waits=40.0).takes(exactly(100), 64)
    assert found == (pytest.approx(100 * 4 / 64), pytest.approx(100.0))
    assert taken([1] * 10, seconds=10.0, waits=40.0).takes(exactly(100), 1) == (100.0, 100.0)
    assert math.isinf(taken([1] * 10).takes(UNKNOWN, 1).high)
