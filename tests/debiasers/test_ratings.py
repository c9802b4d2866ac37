"""From ratings to scores and step labels; what was not answered is never a verdict."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import DataError, Rating, Score, StepLabels
from constitutional.builtin.debiasers.scores import Scores
from constitutional.builtin.debiasers.steps import Steps
from tests.debiasers.support import apply, figure, rating, run, score


def scored(ratings: list[Rating], **params: Any) -> Score | str:
    applied = apply(Scores, ratings, **params)
    (found,) = applied.rows or [applied.ended[0][1]]
    return found  # type: ignore[no-any-return]


def test_ratings_are_brought_to_one_range_and_weighted() -> None:
    ratings = [rating(10, low=1, high=10, weight=3.0), rating(1, low=1, high=10, principle="b"),
               rating(5.5, low=1, high=10, principle="b", judge="k")]  # fmt: skip
    made = scored(ratings)
    assert isinstance(made, Score)
    assert made.score == pytest.approx((3 * 1.0 + 0.25) / 4)
    assert (made.ratings, made.principles, made.completion, made.agreement) == (3, ("b", "kind"), "says r", 0.5)


@pytest.mark.parametrize(("method", "expected"), [("mean", 0.6), ("median", 0.8), ("lowest", 0.1), ("majority", 2 / 3)])
def test_principles_are_combined(method: str, expected: float) -> None:
    made = scored([rating(v, principle=p) for v, p in ((0.1, "a"), (0.8, "b"), (0.9, "c"))], method=method)
    assert isinstance(made, Score)
    assert made.score == pytest.approx(expected)


def test_a_rating_that_abstains_counts_for_nobody() -> None:
    made, outputs = run(Scores, [rating(0.8), rating(None, judge="k"), rating(None, "q", abstained="low-mass")])
    assert [row.score for row in made] == [0.8]
    assert outputs.fates == {("kept", ""): 1, ("abstained", "timeout"): 1, ("abstained", "low-mass"): 1}
    assert figure(outputs, "coverage")["value"] == 0.5
    assert made[0].parents == ("kind-j-0-None-r",)


def test_too_few_ratings_abstain() -> None:
    assert scored([rating(0.8)], min_ratings=2) == "too few ratings"
    assert scored([rating(0.8, weight=0.0)]) == "no principle has weight"


def test_ratings_of_steps_are_not_ratings_of_the_whole() -> None:
    step = rating(0.1, asked="step", step=0, steps=("one",))
    assert apply(Scores, [rating(0.8), step]).ended == {1: ("dropped", "rates a step")}
    assert apply(Steps, [rating(0.8), step]).ended == {0: ("dropped", "rates the whole response")}


@pytest.mark.parametrize(("ratings", "said"), [
    ([rating(0.8), rating(0.8, judge="k", asked="acceptable")], "`score` and `acceptable` cannot be averaged"),
    ([rating(0.8), rating(0.8, judge="k", completion="else")], "show different texts"),
    ([rating(8.0)], "not between 0 and 1"),
    ([rating(0.5, low=1, high=1)], "not between 1 and 1"),
])  # fmt: skip
def test_what_cannot_be_averaged_is_refused(ratings: list[Rating], said: str) -> None:
    with pytest.raises(DataError, match=said):
        apply(Scores, ratings)


def steps(*said: float | None, judge: str = "j", response: str = "r", **values: Any) -> list[Rating]:
    names = tuple(f"step {i}" for i in range(len(said)))
    return [rating(p, response, step=i, steps=names, judge=judge, asked="step", **values) for i, p in enumerate(said)]


def test_steps_are_labelled_by_the_mean_of_their_ratings() -> None:
    made, outputs = run(Steps, [*steps(0.9, 0.6, 0.2), *steps(0.8, 0.2, 0.1, judge="k")])
    (row,) = made
    assert isinstance(row, StepLabels)
    assert (row.completions, row.labels) == (("step 0", "step 1", "step 2"), (True, False, False))
    assert row.scores == pytest.approx((0.85, 0.4, 0.15))
    assert (row.ratings, outputs.fates) == (6, {("kept", ""): 6})
    assert StepLabels.from_row(row.to_row()) == row


def test_what_comes_after_the_first_error_can_be_judged_wrong_or_cut() -> None:
    said = steps(0.9, 0.2, 0.9)
    assert apply(Steps, said).rows[0].labels == (True, False, True)
    assert apply(Steps, said, after_error="wrong").rows[0].labels == (True, False, False)
    cut = apply(Steps, said, after_error="cut").rows[0]
    assert (cut.labels, cut.completions, len(cut.scores)) == ((True, False), ("step 0", "step 1"), 2)


def test_a_step_that_nobody_could_rate_makes_the_response_abstain() -> None:
    applied = apply(Steps, steps(0.9, None, 0.9))
    assert not applied.rows
    assert set(applied.ended.values()) == {
        ("abstained", "a step has no usable rating"),
        ("abstained", "timeout"),
    }


def test_steps_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="show different steps"):
        apply(Steps, [*steps(0.9, 0.8), *steps(0.9, judge="k")])
    with pytest.raises(DataError, match="of step 3, and there are 1"):
        apply(Steps, [replace(steps(0.9)[0], step=3)])


values = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("ab"), st.floats(0, 1) | st.none(), st.floats(0.1, 3)),
    max_size=12,
)


@given(values, st.sampled_from(["weighted", "mean", "median", "lowest", "majority"]), st.randoms(use_true_random=False))
def test_scores_are_probabilities_whatever_the_order(said: list, method: str, chance: random.Random) -> None:
    ratings = [rating(v, r, principle=p, weight=w, sample=i) for i, (r, p, v, w) in enumerate(said)]
    here, there = (apply(Scores, some, method=method) for some in (ratings, chance.sample(ratings, len(ratings))))
    assert sorted(here.rows, key=lambda r: r.row_id) == sorted(there.rows, key=lambda r: r.row_id)
    assert all(0 <= r.score <= 1 for r in here.rows)


def test_what_a_judge_adds_is_reported_and_can_be_taken_away() -> None:
    """The harsh judge alone rated some responses; they rise once that is known."""
    worth = [0.3 + i / 50 for i in range(20)]
    ratings = [rating(w + d, f"r{i}", judge=j) for i, w in enumerate(worth) for j, d in (("mild", 0.1), ("harsh", -0.1))
               if j == "harsh" or i % 2]  # fmt: skip
    kept, removed = apply(Scores, ratings), apply(Scores, ratings, leniency="remove")
    assert figure(kept, "leniency")["harsh"]["value"] == pytest.approx(-0.1)
    assert figure(kept, "leniency")["mild"]["n"] == 10
    assert [row.score for row in kept.rows] == pytest.approx([w if i % 2 else w - 0.1 for i, w in enumerate(worth)])
    assert [row.score for row in removed.rows] == pytest.approx(worth)


def test_scores_are_compared_with_people() -> None:
    ratings = [rating(i / 10, f"r{i}", completion=f"worth {i}") for i in range(10)]
    people = [score(float(i > 4), row_id=f"h{i}", completion=f"worth {i}") for i in range(10)]
    _, outputs = run(Scores, ratings, people)
    assert figure(outputs, "after.accuracy")["value"] == pytest.approx(0.95)
    assert figure(outputs, "after.brier")["n"] == 10
