"""Many voters: means, majorities, unanimity, and judges who are not equally good."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.api import Preference, Vote, user
from constitutional.builtin.debiasers.ensemble import Ensemble
from constitutional.builtin.debiasers.position_swap import PositionSwap
from constitutional.builtin.math.probability import logit, sigmoid
from tests.debiasers.support import apply, ballots, both, figure, mirrored, preference, run, vote

METHODS = ["mean", "weighted", "majority", "unanimous", "dawid-skene"]
each_method = pytest.mark.parametrize("method", METHODS)


def only(votes: list[Vote], **params: Any) -> Preference | str:
    applied = apply(Ensemble, votes, **params)
    (found,) = applied.rows or [applied.ended[0][1]]
    return found  # type: ignore[no-any-return]


def three(*said: float, **values: Any) -> list[Vote]:
    return [v for i, p in enumerate(said) for v in both(p, 1 - p, principle=f"p{i}", **values)]


def test_means_by_hand() -> None:
    votes = both(0.8, 0.2, principle="a", weight=3.0) + both(0.3, 0.7, principle="b")
    assert only(votes, method="mean").p_chosen == pytest.approx(sigmoid((logit(0.8) + logit(0.3)) / 2))  # type: ignore[union-attr]
    assert only(votes, method="weighted").p_chosen == pytest.approx(sigmoid((3 * logit(0.8) + logit(0.3)) / 4))  # type: ignore[union-attr]
    assert only(votes, method="mean", space="probability").p_chosen == pytest.approx(0.55)  # type: ignore[union-attr]


def test_a_majority_counts_heads_and_not_how_sure_they_are() -> None:
    made = only(three(0.6, 0.6, 0.01), method="majority")
    assert isinstance(made, Preference)
    assert (made.chosen, made.p_chosen) == ("one", pytest.approx(2 / 3))
    assert only(three(0.9, 0.1), method="majority") == "tie"


def test_one_dissenter_ends_unanimity() -> None:
    made = only(three(0.9, 0.8, 0.6), method="unanimous")
    assert isinstance(made, Preference)
    assert made.p_chosen == pytest.approx(sigmoid((logit(0.9) + logit(0.8) + logit(0.6)) / 3))
    assert only(three(0.9, 0.8, 0.4), method="unanimous") == "voters disagree"
    assert only(three(0.9, 0.5), method="unanimous") == "voters disagree"


def test_who_votes_can_be_chosen() -> None:
    votes = three(0.9, 0.9, 0.9, judge="one") + three(0.2, judge="two") + three(0.3, judge="three")
    assert only(votes, method="majority").chosen == "one"  # type: ignore[union-attr]
    assert only(votes, method="majority", voter="judge").chosen == "two"  # type: ignore[union-attr]
    assert only(votes, method="majority", voter="judge", min_voters=4) == "too few voters"


def test_one_order_is_heard_only_where_that_is_allowed() -> None:
    assert only([vote(0.9)]) == "one order only"
    assert only([vote(0.9)], allow_single_order=True).chosen == "one"  # type: ignore[union-attr]


def test_weights_of_zero_say_nothing() -> None:
    assert only(both(0.9, 0.1, weight=0.0)) == "no voter has weight"
    assert only(both(0.9, 0.1, weight=0.0), method="mean").chosen == "one"  # type: ignore[union-attr]


def test_weights_need_principles() -> None:
    assert list(Ensemble.check(Ensemble.Params(voter="judge")))
    assert not list(Ensemble.check(Ensemble.Params(voter="judge", method="mean")))


# -- judges of known error rates -------------------------------------------------------------------------------------


def panel(n: int, rates: dict[str, float], bias: dict[str, float] | None = None) -> tuple[list[Vote], list[Preference]]:
    """Judges who are right with their own chance in each order, or who (with `bias`) just name the first answer."""
    chance = random.Random(3)
    votes, people = [], []
    for i in range(n):
        sides = [f"a{i}", f"b{i}"]
        first_is_better = chance.random() < 0.5
        for judge, rate in rates.items():
            for order in ("ab", "ba"):
                shown_first_is_better = first_is_better == (order == "ab")
                right = chance.random() < rate
                p = 0.8 if shown_first_is_better == right else 0.2
                if chance.random() < (bias or {}).get(judge, 0.0):
                    p = 0.8
                votes.append(vote(p, order, pair=f"{i:04}", judge=judge, first=sides[0], second=sides[1]))
        won = sides if first_is_better else sides[::-1]
        people.append(preference(1.0, row_id=f"h{i}", chosen=won[0], rejected=won[1]))
    return votes, people


def test_dawid_skene_finds_who_is_good_and_labels_better_than_a_mean() -> None:
    votes, people = panel(400, {"good": 0.92, "fair": 0.7, "poor": 0.55, "poorer": 0.52})
    _, by_skill = run(Ensemble, votes, people, method="dawid-skene", margin=0.0)
    _, by_mean = run(Ensemble, votes, people, method="mean", voter="judge", margin=0.0)
    for judge, rate in (("good", 0.92), ("fair", 0.7), ("poor", 0.55)):
        assert figure(by_skill, f"voters.{judge}.accuracy")["value"] == pytest.approx(rate, abs=0.05)
    better, worse = (figure(o, "after.accuracy")["value"] * figure(o, "coverage")["value"] for o in (by_skill, by_mean))
    assert better > 0.93
    assert better > worse + 0.05


def test_dawid_skene_sees_through_a_judge_that_names_a_place() -> None:
    votes, people = panel(300, {"good": 0.85, "fair": 0.75, "place": 0.5}, {"place": 0.95})
    _, outputs = run(Ensemble, votes, people, method="dawid-skene", margin=0.0)
    assert figure(outputs, "voters.place.accuracy")["value"] == pytest.approx(0.5, abs=0.06)
    assert figure(outputs, "after.accuracy")["value"] > 0.85


def test_figures_have_intervals_and_count_votes() -> None:
    votes = [*three(0.9, 0.8, 0.7), *both(None, None, principle="silent")]
    _, outputs = run(Ensemble, votes)
    assert outputs.fates == {("kept", ""): 6, ("abstained", "timeout"): 2}
    assert figure(outputs, "unanimous")["value"] == 1.0
    for name in Ensemble.figures(Ensemble.Params()):
        assert {"value", "low", "high", "n", "unscored"} <= set(figure(outputs, name))


# -- properties ------------------------------------------------------------------------------------------------------


@each_method
@settings(max_examples=25)
@given(votes=ballots(), margin=st.sampled_from([0.0, 0.1]))
def test_numbering_the_answers_the_other_way_mirrors_the_result(method: str, votes: list[Vote], margin: float) -> None:
    here = apply(Ensemble, votes, method=method, margin=margin, allow_single_order=True)
    there = apply(Ensemble, mirrored(votes), method=method, margin=margin, allow_single_order=True)
    assert [(r.chosen, r.rejected) for r in here.rows] == [(r.chosen, r.rejected) for r in there.rows]
    assert [r.p_chosen for r in here.rows] == pytest.approx([r.p_chosen for r in there.rows], abs=1e-6)
    assert here.ended == there.ended


def test_rounding_never_outvotes_the_judges() -> None:
    """One judge that always names the second place, and one that is consistent: the latter decides, however p is numbered."""
    said = [("p", "ab", "k", 0, 0.0), ("p", "ab", "k", 1, 0.0), ("p", "ba", "k", 1, 0.0), ("q", "ab", "j", 2, 0.0), ("q", "ba", "j", 2, 1.0)]  # fmt: skip
    votes = [Vote(row_id=f"{pair}-{judge}-{sample}-{order}", prompt=(user("hi"),), first=f"one of {pair}", second=f"two, longer, of {pair}",
                  pair=pair, principle="a", order=order, judge=judge, sample=sample, p_first=p) for pair, order, judge, sample, p in said]  # fmt: skip
    turned = [m if v.pair == "p" else v for v, m in zip(votes, mirrored(votes), strict=True)]
    for some in (votes, turned):
        (row,) = apply(Ensemble, some, method="dawid-skene", margin=0.0).rows
        assert row.chosen == "two, longer, of q"


@settings(max_examples=25)
@given(votes=ballots())
def test_numbering_one_pair_the_other_way_moves_no_other(votes: list[Vote]) -> None:
    turned = [m if v.pair == "p" else v for v, m in zip(votes, mirrored(votes), strict=True)]
    here, there = (apply(Ensemble, some, method="dawid-skene", margin=0.0).rows for some in (votes, turned))
    assert [(r.chosen, r.rejected) for r in here] == [(r.chosen, r.rejected) for r in there]
    assert [r.p_chosen for r in here] == pytest.approx([r.p_chosen for r in there], abs=1e-6)


@each_method
@settings(max_examples=25)
@given(votes=ballots(), chance=st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(method: str, votes: list[Vote], chance: random.Random) -> None:
    here, there = (apply(Ensemble, some, method=method) for some in (votes, chance.sample(votes, len(votes))))
    assert sorted(here.rows, key=lambda r: r.row_id) == sorted(there.rows, key=lambda r: r.row_id)
    assert here.figures == there.figures


@each_method
@settings(max_examples=25)
@given(votes=ballots())
def test_a_label_is_a_probability_of_at_least_one_half(method: str, votes: list[Vote]) -> None:
    for row in apply(Ensemble, votes, method=method, margin=0.0).rows:
        assert 0.5 < row.p_chosen <= 1.0
        assert 0 <= row.agreement <= 1


@each_method
@settings(max_examples=25)
@given(votes=ballots())
def test_an_abstention_counts_for_nobody(method: str, votes: list[Vote]) -> None:
    silent = [replace(v, p_first=None, abstained="timeout", judge="silent", row_id=f"silent-{v.row_id}") for v in votes]
    before, after = (apply(Ensemble, some, method=method).rows for some in (votes, [*votes, *silent]))
    assert before == after


@settings(max_examples=25)
@given(votes=ballots())
def test_principles_by_weight_are_what_position_swap_does(votes: list[Vote]) -> None:
    here = apply(Ensemble, votes, method="weighted", voter="principle").rows
    assert here == apply(PositionSwap, votes).rows
