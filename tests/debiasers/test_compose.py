"""Debiasers in a list: what they come to together, what never changes, and orders that make no sense."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from constitutional.api import Pair, Preference, Rating, Record, Score, StepLabels, Vote
from constitutional.builtin.debiasers import Compose, PositionSwap
from constitutional.builtin.debiasers.one_step import STEPS, starts
from constitutional.builtin.math.probability import sigmoid
from tests.debiasers.support import apply, ballots, both, figure, judged, mirrored, preference, rating, run

#: Steps that change nothing.
IDLE: list[Any] = [{"clamp": {"by": 0.0}}, {"abstain": {"margin": 0.0}}, {"length": {"min_pairs": 10**6}}]
RICH: list[Any] = [{"clamp": {"by": 0.01}}, {"abstain": {"margin": 0.02}}, {"position-swap": {"margin": 0.0}},
                   {"length": {"min_pairs": 1}}, {"clamp": {"by": 0.1}}, {"abstain": {"margin": 0.1}}]  # fmt: skip


def parts(rows: list[Preference]) -> list[tuple[Any, ...]]:
    return [(r.chosen, r.rejected, r.p_chosen, r.votes, r.agreement, r.principles) for r in rows]


def test_the_list_of_the_documentation() -> None:
    votes, people = judged(200, bias=1.0, stretch=3.0)
    steps = [{"calibrate": {}}, {"position-swap": {"margin": 0.0}}, {"length": {}}, {"abstain": {"margin": 0.1}}]
    made, outputs = run(Compose, votes, people, steps=steps)
    assert outputs.rows.keys() == {"", "abstained"}
    assert all(isinstance(row, Preference) and row.p_chosen >= 0.6 for row in made)
    assert [step["step"] for step in figure(outputs, "steps")] == ["calibrate", "position-swap", "length", "abstain"]
    assert [step["rows_in"] for step in figure(outputs, "steps")[:2]] == [400, 400]
    assert outputs.fates["kept", ""] == 2 * len(made)
    assert outputs.fates["abstained", "margin"] == 400 - 2 * len(made)
    assert figure(outputs, "coverage")["value"] == pytest.approx(len(made) / 200)
    assert figure(outputs, "before.ece")["value"] > 2 * figure(outputs, "after.ece")["value"]
    assert figure(outputs, "after.accuracy")["n"] == len(made)


def test_every_vote_ends_and_labels_name_the_votes_that_went_in() -> None:
    votes = [*both(0.9, 0.2, pair="a", first="a"), *both(0.55, 0.5, pair="b", first="b"), *both(None, 0.9, pair="c", first="c"),
             *both(0.5, 0.5, pair="d", first="d"), *both(0.9, 0.1, pair="a", first="a")]  # fmt: skip
    made, outputs = run(Compose, votes, steps=["position-swap", {"clamp": {"by": 0.2}}, {"abstain": {"margin": 0.1}}])
    assert [row.p_chosen for row in made] == [0.8]
    assert made[0].parents == ("a-kind-j-0-ab", "a-kind-j-0-ba")
    assert outputs.fates == {("kept", ""): 2, ("dropped", "duplicate vote"): 2, ("abstained", "margin"): 2,
                             ("abstained", "timeout"): 1, ("abstained", "one order only"): 1, ("abstained", "tie"): 2}  # fmt: skip
    assert [row.row_id for row in outputs.rows["abstained"]] == [v.row_id for v in votes[2:8]]


def test_what_balance_drops_is_dropped_and_not_abstained() -> None:
    votes = [v for i in range(6) for v in both(0.9, 0.1, pair=f"{i}", first="x" * (5 if i < 4 else 1), second="yyy")]
    _, outputs = run(Compose, votes, steps=["position-swap", "balance"])
    assert outputs.fates == {("kept", ""): 8, ("dropped", "too many: chosen longer"): 4}
    assert not outputs.rows["abstained"]


def test_ratings_go_all_the_way_to_labels() -> None:
    ratings = [rating(i / 10, f"r{i}") for i in range(10)]
    made, _ = run(Compose, ratings, steps=["scores", {"threshold": {"margin": 0.1}}, {"balance": {"by": "label"}}])
    assert all(isinstance(row, Score) for row in made)
    assert sum(row.label for row in made) == len(made) / 2
    assert Compose.gives(Compose.Params(steps=["scores", "threshold"]))[""] is Score


# -- properties ------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(ballots())
def test_one_step_alone_is_the_stage_of_that_name(votes: list[Vote]) -> None:
    alone, _ = run(PositionSwap, votes)
    composed, _ = run(Compose, votes, steps=["position-swap"])
    assert parts(alone) == parts(composed)
    assert [row.parents for row in alone] == [row.parents for row in composed]


@settings(max_examples=25)
@given(ballots())
def test_idle_steps_change_nothing(votes: list[Vote]) -> None:
    swap: Any = {"position-swap": {"margin": 0.0}}
    plain = apply(Compose, votes, steps=[swap])
    idle = apply(Compose, votes, steps=[IDLE[0], swap, *IDLE, *IDLE])
    assert parts(plain.rows) == parts(idle.rows)
    assert plain.sources == idle.sources
    assert plain.ended == idle.ended


@settings(max_examples=25)
@given(ballots())
def test_steps_in_one_list_are_stages_in_a_row(votes: list[Vote]) -> None:
    rows: list[Any] = votes
    for step in RICH:
        ((name, params),) = step.items()
        rows, _ = run(STEPS[name], rows, **params)
    composed, _ = run(Compose, votes, steps=RICH)
    assert [p[:2] for p in parts(rows)] == [p[:2] for p in parts(composed)]
    assert [r.p_chosen for r in rows] == pytest.approx([r.p_chosen for r in composed])


@settings(max_examples=25)
@given(ballots(), st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(votes: list[Vote], chance: random.Random) -> None:
    here, there = (run(Compose, some, steps=RICH) for some in (votes, chance.sample(votes, len(votes))))
    assert sorted(here[0], key=lambda r: r.row_id) == sorted(there[0], key=lambda r: r.row_id)
    assert here[1].figures == there[1].figures
    assert here[1].fates == there[1].fates


@settings(max_examples=25)
@given(ballots())
def test_numbering_the_answers_the_other_way_mirrors_the_result(votes: list[Vote]) -> None:
    here, there = (apply(Compose, some, steps=RICH) for some in (votes, mirrored(votes)))
    assert [(r.chosen, r.rejected) for r in here.rows] == [(r.chosen, r.rejected) for r in there.rows]
    assert [r.p_chosen for r in here.rows] == pytest.approx([r.p_chosen for r in there.rows], abs=1e-6)


@settings(max_examples=25)
@given(ballots())
def test_probabilities_stay_probabilities(votes: list[Vote]) -> None:
    for row in apply(Compose, votes, steps=RICH).rows:
        assert 0.6 - 1e-9 <= row.p_chosen <= 0.9 + 1e-9


contents = st.lists(st.floats(-3, 3), min_size=1, max_size=8)


@given(contents, st.floats(-3, 3), st.sampled_from([{"position-swap": {"margin": 0.0}}, {"ensemble": {"margin": 0.0}}]))
def test_a_pure_position_bias_is_taken_away_exactly(said: list[float], bias: float, step: Any) -> None:
    def votes(b: float) -> list[Vote]:
        return [v for i, d in enumerate(said) for v in both(sigmoid(b + d), sigmoid(b - d), pair=f"{i}", first=f"{i}")]

    fair, biased = (apply(Compose, votes(b), steps=[step]) for b in (0.0, bias))
    assert [(r.chosen, r.p_chosen) for r in biased.rows] == [
        (r.chosen, pytest.approx(r.p_chosen, abs=1e-9)) for r in fair.rows
    ]


@settings(max_examples=25)
@given(ballots())
def test_abstentions_count_for_neither_side(votes: list[Vote]) -> None:
    silent = [replace(v, p_first=None, abstained="timeout", row_id=f"silent-{v.row_id}") for v in votes]
    before, after = (apply(Compose, some, steps=RICH) for some in (votes, [*votes, *silent]))
    assert parts(before.rows) == parts(after.rows)
    assert {fate for place, (fate, _) in after.ended.items() if place >= len(votes)} == {"abstained"}


# -- order -----------------------------------------------------------------------------------------------------------


def said(steps: list[Any]) -> tuple[tuple[Any, ...], str]:
    with pytest.raises(ValidationError) as caught:
        Compose.Params(steps=steps)
    (error,) = caught.value.errors()
    return error["loc"], str((error.get("ctx") or {}).get("error") or error["msg"])


@pytest.mark.parametrize(("steps", "place", "words"), [
    (["position-swap", "ensemble"], 1, "only one step can decide"),
    (["length", "position-swap"], 1, "write `position-swap` before `length`"),
    (["scores", "length"], 1, "`scores` has made Score before it"),
    (["position-swap", "threshold", "priority"], 2, "`position-swap` has made Preference before it"),
    (["clamp", "steps"], 1, "the steps before it take Vote, Preference or Score"),
])  # fmt: skip
def test_an_order_that_makes_no_sense_is_an_error_where_it_breaks(steps: list[str], place: int, words: str) -> None:
    loc, message = said(steps)
    assert loc == ("steps", place)
    assert words in message


def test_an_item_is_one_step() -> None:
    assert "one step an item" in said([{"clamp": {}, "abstain": {}}])[1]
    assert "one step an item" in said([{}])[1]
    assert said(["nothing"])[0] == ("steps", 0, "nothing")
    assert said([{"clamp": {"too": 1}}])[0] == ("steps", 0, "clamp", "too")


def test_every_pair_of_steps_is_either_refused_or_runs() -> None:
    start: dict[type[Record], list[Any]] = {
        Vote: both(0.9, 0.2), Rating: [rating(0.8)], Preference: [preference()], Score: [],
        StepLabels: [],
    }  # fmt: skip
    names = [name for name in STEPS if name not in ("calibrate",)]
    for pair in itertools.product(names, names):
        fit = starts([STEPS[name] for name in pair])
        if not fit:
            assert said(list(pair))[0] == ("steps", 1)
            continue
        stage = Compose.Params(steps=list(pair))
        for record in fit:
            assert not list(Compose.check_inputs(stage, {"rows": [record]})) or "balance" in pair
            run(Compose, start[record], steps=list(pair))


def test_what_flows_in_is_checked_against_the_steps() -> None:
    params = Compose.Params(steps=["clamp", "position-swap", "length"])
    assert not list(Compose.check_inputs(params, {"rows": [Vote]}))
    for record in (Pair, Preference, Rating):
        ((port, words),) = Compose.check_inputs(params, {"rows": [record]})
        assert (port, words) == ("rows", f"these steps take Vote, not {record.__name__}")
    asks = Compose.Params(steps=["position-swap", "calibrate"])
    assert next(port for port, _ in Compose.check_inputs(asks, {"rows": [Vote]})) == "audit"
    assert not list(Compose.check_inputs(asks, {"rows": [Vote], "audit": [Preference]}))


def test_steps_are_written_back_as_they_were() -> None:
    params = Compose.Params(steps=["position-swap", {"abstain": {"margin": 0.1}}])
    plain = params.model_dump(mode="json")
    assert [list(step) for step in plain["steps"]] == [["position-swap"], ["abstain"]]
    assert Compose.Params.model_validate(plain) == params
