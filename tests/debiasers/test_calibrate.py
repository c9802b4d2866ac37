"""Probabilities that mean what they say, fitted on what people judged and measured on what the fit has not seen."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.api import DataError, Pair, Preference, Rating, Score, Vote
from constitutional.builtin.debiasers.audit import Audit
from constitutional.builtin.debiasers.calibrate import Calibrate
from constitutional.builtin.debiasers.fitting import folds
from constitutional.builtin.math.calibration import Temperature
from tests.debiasers.support import apply, both, figure, judged, preference, run, score

each_method = pytest.mark.parametrize("method", ["temperature", "isotonic"])


@each_method
def test_an_overconfident_judge_is_mended(method: str) -> None:
    votes, people = judged(400, stretch=3.0)
    made, outputs = run(Calibrate, votes, people, method=method)
    assert len(made) == len(votes)
    assert figure(outputs, "ece.after")["value"] < figure(outputs, "ece.before")["value"] / 2
    assert figure(outputs, "improved")["low"] > 0
    assert figure(outputs, "brier.after")["method"] == "cluster bootstrap"
    assert figure(outputs, "before.accuracy")["value"] == pytest.approx(
        figure(outputs, "after.accuracy")["value"], abs=0.03
    )
    assert outputs.fates == {("kept", ""): len(votes)}


def test_the_temperature_is_found_with_an_interval() -> None:
    votes, people = judged(400, stretch=3.0)
    found = figure(apply(Calibrate, votes, people), "maps.all.temperature")
    assert found["low"] < 3.0 < found["high"]
    assert found["n"] == 400


def test_each_judge_can_have_a_map() -> None:
    sure, people = judged(150, stretch=3.0, judge="sure")
    shy, _ = judged(150, stretch=0.5, judge="shy")
    maps = figure(apply(Calibrate, [*sure, *shy], people, by="judge"), "maps")
    assert maps["sure"]["temperature"]["value"] == pytest.approx(3.0, rel=0.35)
    assert maps["shy"]["temperature"]["value"] == pytest.approx(0.5, rel=0.35)


def test_a_judge_that_is_right_about_itself_gains_nothing_by_itself() -> None:
    """In-sample figures would promise a gain; cross-validated ones do not."""
    votes, people = judged(60)
    found = figure(apply(Calibrate, votes, people, method="isotonic"), "improved")
    assert found["low"] < 0.01


def test_preferences_and_scores_are_calibrated_too() -> None:
    rows = [preference(0.99, row_id=f"r{i}", chosen=f"c{i}", rejected=f"d{i}") for i in range(60)]
    people = [
        preference(1.0, row_id=f"h{i}", chosen=f"{'cd'[i % 3 == 0]}{i}", rejected=f"{'dc'[i % 3 == 0]}{i}")
        for i in range(60)
    ]
    applied = apply(Calibrate, rows, people, method="isotonic")
    assert {row.chosen for row in applied.rows} == {f"c{i}" for i in range(60)}
    assert applied.rows[0].p_chosen == pytest.approx(2 / 3)
    scores = [score(i / 100) for i in range(100)]
    lenient = [score(i / 100, row_id=f"h{i}") for i in range(100)]
    verdicts = [
        Score(row_id=s.row_id, prompt=s.prompt, completion=s.completion, score=float(s.score > 0.8)) for s in lenient
    ]
    made = apply(Calibrate, scores, verdicts, method="isotonic").rows
    assert made[75].score < 0.1 < 0.9 < made[90].score


def test_too_small_a_sample_is_refused() -> None:
    votes, people = judged(30)
    with pytest.raises(DataError, match="needs 20 pairs or responses that people judged too, and found 5"):
        apply(Calibrate, votes, people[:5])
    with pytest.raises(DataError, match="of judge j"):
        apply(Calibrate, votes, [], by="judge")


def test_other_texts_are_no_audit() -> None:
    votes, _ = judged(30)
    other = [preference(1.0, row_id=f"h{i}", chosen=f"else {i}", rejected="no") for i in range(30)]
    with pytest.raises(DataError, match="found 0"):
        apply(Calibrate, votes, other)
    with pytest.raises(DataError, match="no verdicts of people"):
        apply(Calibrate, votes, votes)


def test_votes_that_abstain_stay_as_they_are() -> None:
    votes, people = judged(30)
    silent = both(None, None, pair="silent")
    assert apply(Calibrate, [*votes, *silent], people).rows[-2:] == silent


def test_inputs_are_checked_before_anything_runs() -> None:
    def said(flows: Any, **params: Any) -> list[str]:
        return [sentence for _, sentence in Calibrate.check_inputs(Calibrate.Params(**params), flows)]

    assert not said({"rows": [Vote], "audit": [Preference]})
    assert "needs `audit`" in said({"rows": [Vote]})[0]
    assert "not Pair" in said({"rows": [Pair], "audit": [Preference]})[0]
    assert "not Rating" in said({"rows": [Vote], "audit": [Rating]})[0]
    assert "must be made of Score" in said({"rows": [Score], "audit": [Preference]})[0]
    assert "does not say who judged" in said({"rows": [Preference], "audit": [Preference]}, by="judge")[0]


def test_folds_are_even_and_belong_to_the_pair() -> None:
    subjects = [(f"{i}".encode(),) for i in range(23)]
    dealt = folds(subjects, 5, 0)
    sizes = [list(dealt.values()).count(fold) for fold in range(5)]
    assert max(sizes) - min(sizes) == 1
    assert dealt == folds(reversed(subjects), 5, 0)
    assert dealt != folds(subjects, 5, 1)


@each_method
@settings(max_examples=15)
@given(seed=st.integers(0, 1000), chance=st.randoms(use_true_random=False))
def test_order_is_kept_and_the_order_of_rows_changes_nothing(method: str, seed: int, chance: random.Random) -> None:
    votes, people = judged(25, seed, stretch=2.0, bias=1.0)
    applied = apply(Calibrate, votes, people, method=method)
    said = sorted(zip((v.p_first for v in votes), (v.p_first for v in applied.rows), strict=True))
    assert all(a <= b + 1e-12 for (_, a), (_, b) in itertools.pairwise(said))
    assert all(0 <= after <= 1 for _, after in said)
    shuffled = apply(Calibrate, chance.sample(votes, len(votes)), chance.sample(people, len(people)), method=method)
    assert {v.row_id: v.p_first for v in shuffled.rows} == {v.row_id: v.p_first for v in applied.rows}
    assert shuffled.figures == applied.figures


@given(st.floats(0.05, 20), st.floats(0.5, 1.0))
def test_a_temperature_keeps_every_verdict(temperature: float, p: float) -> None:
    assert Temperature(temperature)(p) >= 0.5


def test_a_verdict_under_one_principle_says_nothing_of_votes_under_another() -> None:
    """A pair is judged by two principles, and people say which answer is better by one of them."""
    votes = both(0.9, 0.2, principle="kind") + both(0.8, 0.4, principle="safe")
    kinder = preference(1.0, chosen="one", rejected="two", principles=("kind",))
    in_all = preference(1.0, row_id="h", chosen="two", rejected="one", principles=("human",))
    voted = {row.principle for row in votes}
    assert [Audit([kinder], voted).verdict(row) for row in votes] == [1.0, 0.0, None, None]
    assert [Audit([kinder, in_all], voted).verdict(row) for row in votes] == [1.0, 0.0, 0.0, 1.0]
    assert Audit([kinder, in_all], voted).verdict(preference(0.9, chosen="one", rejected="two")) == 0.5


def test_a_stage_counts_only_the_votes_that_people_judged_by_their_principle() -> None:
    votes, people = judged(40)
    others = [replace(row, row_id=f"{row.row_id}-safe", principle="safe", p_first=0.5) for row in votes]
    by_principle = [replace(row, principles=("kind",)) for row in people]
    _, outputs = run(Calibrate, votes + others, by_principle)
    assert figure(outputs, "brier.before")["n"] == len(votes)
    _, outputs = run(Calibrate, votes + others, people)
    assert figure(outputs, "brier.before")["n"] == 2 * len(votes)
