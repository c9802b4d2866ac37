"""What votes become: beliefs that mirror, that order cannot change, and that abstain when in doubt."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import MAIN, DataError, Outputs, Preference, Vote, user
from constitutional.builtin.debiasers import PositionSwap
from constitutional.builtin.math.probability import logit, sigmoid
from tests.stages_support import Memory, Script, adds_up


def vote(p: float | None, order: str = "ab", **values: Any) -> Vote:
    given = {"pair": "p", "principle": "kind", "judge": "j", "sample": 0, "first": "one", "second": "two", **values}
    given["row_id"] = "-".join(str(given[k]) for k in ("pair", "principle", "judge", "sample")) + f"-{order}"
    abstained = given.pop("abstained", None if p is not None else "timeout")
    return Vote(prompt=(user("hi"),), order=order, p_first=p, abstained=abstained, **given)  # type: ignore[arg-type]


def both(ab: float | None, ba: float | None, **values: Any) -> list[Vote]:
    return [vote(ab, "ab", **values), vote(ba, "ba", **values)]


def run(votes: Sequence[Vote], **params: Any) -> tuple[list[Preference], Outputs]:
    inputs = Memory({"votes": [votes]})
    outputs = PositionSwap(PositionSwap.Params(**params)).run(inputs, Script(Path()))
    assert adds_up(outputs, inputs, "votes")
    return [row for row in outputs.rows[MAIN] if isinstance(row, Preference)], outputs


def only(votes: Sequence[Vote], **params: Any) -> Preference | str:
    """The preference that votes on one pair give, or why there is none."""
    made, outputs = run(votes, **params)
    if made:
        return made[0]
    (reason,) = outputs.figures["pairs"]["abstained"]  # type: ignore[index, call-overload]
    return str(reason)


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_the_orders_are_averaged_in_log_odds() -> None:
    made = only(both(0.9, 0.4))
    assert isinstance(made, Preference)
    assert (made.chosen, made.rejected) == ("one", "two")
    assert made.p_chosen == pytest.approx(sigmoid((logit(0.9) - logit(0.4)) / 2))
    assert made.p_chosen == pytest.approx(0.786, abs=5e-4)
    assert (made.votes, made.agreement, made.principles) == (2, 1.0, ("kind",))


def test_the_orders_can_be_averaged_as_probabilities() -> None:
    made = only(both(0.9, 0.4), space="probability")
    assert isinstance(made, Preference)
    assert made.p_chosen == pytest.approx((0.9 + 0.6) / 2)


def test_a_pure_position_bias_leaves_nothing() -> None:
    """The case of a peer whose tie becomes "A", and of one that makes two random answers chosen and rejected."""
    assert only(both(0.9, 0.9), margin=0.0) == "tie"
    assert only(both(0.9, 0.88)) == "margin"


def test_any_constant_position_bias_is_taken_away() -> None:
    for bias in (-3.0, 0.0, 2.0):
        made = only(both(sigmoid(bias + 1.0), sigmoid(bias - 1.0)))
        assert isinstance(made, Preference)
        assert made.p_chosen == pytest.approx(sigmoid(1.0))


def test_principles_count_by_weight() -> None:
    votes = both(0.8, 0.2, principle="a", weight=3.0) + both(0.3, 0.7, principle="b", weight=1.0)
    made = only(votes)
    assert isinstance(made, Preference)
    assert made.p_chosen == pytest.approx(sigmoid((3 * logit(0.8) + logit(0.3)) / 4))
    assert (made.principles, made.agreement) == (("a", "b"), 0.5)


def test_judges_and_samples_count_alike_within_a_principle() -> None:
    votes = both(0.9, 0.1, judge="j") + both(0.6, 0.4, judge="k")
    made = only(votes)
    assert isinstance(made, Preference)
    assert made.p_chosen == pytest.approx(sigmoid((logit(0.9) + logit(0.6)) / 2))
    assert made.votes == 4


def test_the_second_answer_can_win() -> None:
    made = only(both(0.1, 0.9))
    assert isinstance(made, Preference)
    assert (made.chosen, made.rejected, made.p_chosen) == ("two", "one", pytest.approx(0.9))


def test_one_order_says_nothing_unless_allowed() -> None:
    assert only([vote(0.9)]) == "one order only"
    assert only([vote(0.9), vote(None, "ba")]) == "one order only"
    made = only([vote(None), vote(0.9, "ba")], allow_single_order=True)
    assert isinstance(made, Preference)
    assert made.chosen == "two"


def test_orders_that_disagree_can_be_left_out() -> None:
    votes = both(0.9, 0.6, principle="a") + both(0.3, 0.8, principle="b")
    made = only(votes, only_consistent=True)
    assert isinstance(made, Preference)
    assert (made.chosen, made.principles) == ("two", ("b",))
    assert only(both(0.9, 0.6), only_consistent=True) == "orders disagree"


def test_a_missing_vote_keeps_its_own_reason() -> None:
    assert only(both(None, None, abstained="low-mass")) == "low-mass"
    assert only([vote(None, abstained="timeout"), vote(None, "ba", abstained="http 500")]) == "no usable vote"


def test_certain_judges_stay_finite() -> None:
    made = only(both(1.0, 0.0))
    assert isinstance(made, Preference)
    assert 0.999 < made.p_chosen < 1.0
    assert only(both(1.0, 1.0)) == "tie"


def test_weights_of_zero_say_nothing() -> None:
    assert only(both(0.9, 0.1, weight=0.0)) == "no usable vote"


def test_fates_are_those_of_votes() -> None:
    votes = both(0.9, 0.1) + both(0.5, 0.5, pair="q") + both(0.9, None, pair="r") + [vote(0.9)]
    made, outputs = run(votes)
    assert outputs.fates == {
        ("dropped", "duplicate vote"): 1, ("kept", ""): 2, ("abstained", "tie"): 2, ("abstained", "one order only"): 1,
        ("abstained", "timeout"): 1,
    }  # fmt: skip
    assert [row.row_id for row in outputs.rows["abstained"]] == [v.row_id for v in votes[2:6]]
    assert made[0].parents == ("p-kind-j-0-ab", "p-kind-j-0-ba")


def test_votes_that_disagree_on_the_answers_are_refused() -> None:
    with pytest.raises(DataError, match="show different answers"):
        run([vote(0.9), vote(0.9, "ba", first="three")])


def test_pairs_come_in_order_of_first_appearance() -> None:
    votes = [v for name in "cab" for v in both(0.9, 0.1, pair=name, first=name)]
    made, _ = run([*votes[::2], *votes[1::2]])
    assert [row.chosen for row in made] == ["c", "a", "b"]


def test_nothing_in_nothing_out() -> None:
    made, outputs = run([])
    assert made == []
    assert outputs.figures["coverage"]["value"] is None  # type: ignore[index, call-overload]


def test_preferences_survive_the_disk() -> None:
    made = only(both(0.9, 0.4))
    assert isinstance(made, Preference)
    assert Preference.from_row(made.to_row()) == made


# -- properties ------------------------------------------------------------------------------------------------------

shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]), st.none())
ballots = st.lists(st.tuples(st.sampled_from("abc"), shares, shares, st.floats(0.1, 5)), min_size=1, max_size=6)
rules = st.fixed_dictionaries({
    "space": st.sampled_from(["logit", "probability"]), "only_consistent": st.booleans(),
    "allow_single_order": st.booleans(), "margin": st.sampled_from([0.0, 0.05, 0.2]),
})  # fmt: skip


def cast(ballot: list[tuple[str, float | None, float | None, float]]) -> list[Vote]:
    return [v for i, (name, ab, ba, weight) in enumerate(ballot)
            for v in both(ab, ba, principle=name, sample=i, weight=weight)]  # fmt: skip


def mirrored(votes: Sequence[Vote]) -> list[Vote]:
    """The same votes had the pair's two answers been numbered the other way."""
    return [replace(v, first=v.second, second=v.first, order="ba" if v.order == "ab" else "ab") for v in votes]


@given(ballots, rules)
def test_numbering_the_answers_the_other_way_mirrors_the_result(ballot: Any, params: Any) -> None:
    """The case of a peer whose invalid -1 becomes 2 when flipped."""
    here, there = only(cast(ballot), **params), only(mirrored(cast(ballot)), **params)
    if isinstance(here, str) or isinstance(there, str):
        assert here == there
        return
    assert (here.chosen, here.rejected, here.votes) == (there.chosen, there.rejected, there.votes)
    assert here.p_chosen == pytest.approx(there.p_chosen)
    assert here.agreement == pytest.approx(there.agreement)


@given(ballots, rules, st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(ballot: Any, params: Any, chance: random.Random) -> None:
    votes = cast(ballot)
    shuffled = chance.sample(votes, len(votes))
    (a, made), (b, other) = run(votes, **params), run(shuffled, **params)
    assert a == b
    assert made.figures == other.figures
    assert made.fates == other.fates


@given(ballots, rules)
def test_an_abstention_never_makes_a_verdict(ballot: Any, params: Any) -> None:
    votes = cast(ballot)
    extra = both(None, None, principle="silent", sample=99)
    before, after = only(votes, **params), only([*votes, *extra], **params)
    if isinstance(before, Preference):
        assert isinstance(after, Preference)
        assert (after.chosen, after.p_chosen, after.row_id) == (before.chosen, before.p_chosen, before.row_id)
    else:
        assert isinstance(after, str)


@given(ballots, rules)
def test_a_label_is_a_probability_of_at_least_one_half(ballot: Any, params: Any) -> None:
    made = only(cast(ballot), **params)
    if isinstance(made, Preference):
        assert 0.5 + params["margin"] - 1e-8 <= made.p_chosen <= 1.0
        assert made.p_chosen > 0.5
        assert 0 <= made.agreement <= 1


# -- figures ---------------------------------------------------------------------------------------------------------


def test_the_bias_of_a_biased_judge_is_found() -> None:
    """100 pairs: content pulls by d, standing first by 1.0; where |d| < 1 the same position wins twice."""
    contents = [0.5] * 20 + [-0.5] * 20 + [2.0] * 30 + [-2.0] * 30
    votes = [v for i, d in enumerate(contents) for v in both(sigmoid(1 + d), sigmoid(1 - d), pair=f"{i}")]
    _, outputs = run(votes)
    figures: Any = outputs.figures
    assert figures["same_position"]["value"] == 0.4
    assert figures["same_position"]["low"] < 0.4 < figures["same_position"]["high"]
    assert figures["logit_bias"]["value"] == pytest.approx(1.0, abs=1e-5)
    assert figures["mean_p_first"]["value"] > 0.6
    assert figures["chosen_first"]["value"] == 0.5
    assert figures["coverage"]["value"] == 1.0
    assert figures["pairs"] == {"n": 100, "labelled": 100, "abstained": {}}
    assert figures["votes"] == {"n": 200, "used": 200, "abstained": {}}


def test_figures_do_not_depend_on_the_order_of_pairs() -> None:
    votes = [v for i in range(30) for v in both(0.5 + i / 80, 0.5 - i / 90, pair=f"{i}")]
    assert run(votes)[1].figures == run(votes[::-1])[1].figures


def test_every_promised_figure_is_measured() -> None:
    _, outputs = run(both(0.9, 0.4))
    for name in PositionSwap.figures(PositionSwap.Params()):
        found: Any = outputs.figures
        for part in name.split("."):
            found = found[part]
        assert {"value", "low", "high", "n", "unscored", "method"} <= set(found), name
