"""Steps that work on what is believed already: length, clamp, abstain, balance, threshold."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Pair, Preference, Score, StepLabels
from constitutional.builtin.debiasers.abstain import Abstain
from constitutional.builtin.debiasers.balance import Balance
from constitutional.builtin.debiasers.belief import probability, with_probability
from constitutional.builtin.debiasers.clamp import Clamp
from constitutional.builtin.debiasers.length import Length
from constitutional.builtin.debiasers.step import Debiaser
from constitutional.builtin.debiasers.threshold import Threshold
from constitutional.builtin.math.length import scaled
from constitutional.builtin.math.probability import logit, sigmoid
from tests.debiasers.support import ASK, apply, both, figure, preference, preferences, run, score, vote

# -- length ----------------------------------------------------------------------------------------------------------


def drawn(n: int, phi: float, seed: int = 0) -> tuple[list[Preference], list[float]]:
    """Pairs whose log-odds are content and `phi` for length, and the content of the first answer."""
    chance = random.Random(seed)
    sizes = [(chance.randint(10, 400), chance.randint(10, 400)) for _ in range(n)]
    content = [chance.gauss(0, 0.5) for _ in range(n)]
    x = scaled([a - b for a, b in sizes])
    rows = []
    for i, ((a, b), c, lead) in enumerate(zip(sizes, content, x, strict=True)):
        row = preference(0.5, row_id=f"r{i:04}", chosen="a" * a, rejected="b" * b)
        rows.append(with_probability(row, sigmoid(c + phi * float(lead))))
    return rows, content


def test_what_length_earned_is_taken_out() -> None:
    rows, content = drawn(600, phi=1.5)
    made, outputs = run(Length, rows)
    assert figure(outputs, "phi.value") == pytest.approx(1.5, rel=0.08)
    assert figure(outputs, "phi.low") < figure(outputs, "phi.value") < figure(outputs, "phi.high")
    assert figure(outputs, "before.chosen_longer")["value"] > 0.7
    assert figure(outputs, "after.chosen_longer")["value"] < 0.56
    phi = figure(outputs, "phi.value")
    x = scaled([len(r.chosen) - len(r.rejected) for r in rows])
    for row, was, lead in zip(made, rows, x, strict=True):
        left = logit(row.p_chosen) if row.chosen == was.chosen else -logit(row.p_chosen)
        assert left == pytest.approx(logit(was.p_chosen) - phi * float(lead), abs=1e-5)
    right = sum((c > 0) == (row.chosen[0] == "a") for row, c in zip(made, content, strict=True))
    assert right > sum((c > 0) == (row.chosen[0] == "a") for row, c in zip(rows, content, strict=True))


def test_it_warns_where_controlled_and_raw_differ_much() -> None:
    assert "labels turn round" in figure(apply(Length, drawn(300, phi=2.0)[0]), "warning")
    assert "warning" not in apply(Length, drawn(300, phi=0.1)[0]).figures


def test_few_pairs_are_left_alone() -> None:
    rows, _ = drawn(10, phi=2.0)
    applied = apply(Length, rows)
    assert applied.rows == rows
    assert figure(applied, "phi")["value"] is None
    assert "fewer than 30" in figure(applied, "warning")


def test_answers_of_one_length_stay_as_they_are() -> None:
    rows = [preference(0.5 + i / 200, row_id=f"{i}", chosen="xx", rejected="yy") for i in range(1, 60)]
    assert apply(Length, rows).rows == rows
    words = [preference(0.7, row_id=f"{i}", chosen="a longish word", rejected="or one two") for i in range(40)]
    assert apply(Length, words, unit="words").rows == words
    assert apply(Length, words).rows != words


@given(preferences(min_size=30), st.data())
def test_turning_pairs_round_changes_nothing(rows: list[Preference], data: st.DataObject) -> None:
    """A preference of p for one answer is one of 1 - p for the other."""
    flips = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    sides = [(r.rejected, r.chosen, 1 - r.p_chosen) if flip else (r.chosen, r.rejected, r.p_chosen)
             for r, flip in zip(rows, flips, strict=True)]  # fmt: skip
    turned = [preference(p, row_id=r.row_id, chosen=a, rejected=b) for r, (a, b, p) in zip(rows, sides, strict=True)]
    here, there = apply(Length, rows), apply(Length, turned)
    assert [(r.row_id, r.chosen) for r in here.rows] == [(r.row_id, r.chosen) for r in there.rows]
    assert [r.p_chosen for r in here.rows] == pytest.approx([r.p_chosen for r in there.rows], abs=1e-6)


# -- clamp and abstain -----------------------------------------------------------------------------------------------


def test_clamp_holds_all_that_is_too_sure() -> None:
    votes = [*both(0.99, 0.02), *both(0.55, None, pair="q")]
    made, outputs = run(Clamp, votes)
    assert [v.p_first for v in made] == [0.6, 0.4, 0.55, None]
    assert figure(outputs, "held")["value"] == pytest.approx(2 / 3)
    assert [r.p_chosen for r in apply(Clamp, [preference(0.7)], by=0.2).rows] == [0.7]
    assert [r.score for r in apply(Clamp, [score(0.05), score(1.0)], by=0.1).rows] == [0.1, 0.9]


def test_votes_through_a_stage_have_new_ids_and_old_parents() -> None:
    votes = both(0.99, 0.02)
    made, _ = run(Clamp, votes)
    assert [v.parents for v in made] == [(v.row_id,) for v in votes]
    assert not {v.row_id for v in made} & {v.row_id for v in votes}
    assert len({v.row_id for v in made}) == 2


def test_votes_that_come_twice_count_once_and_twins_of_labels_stay() -> None:
    made, outputs = run(Clamp, [vote(0.9), vote(0.9)])
    assert len(made) == 1
    assert outputs.fates == {("dropped", "duplicate vote"): 1, ("kept", ""): 1}
    made, outputs = run(Clamp, [preference(), preference()])
    assert len({row.row_id for row in made}) == 2


def test_what_is_too_close_abstains() -> None:
    rows = [preference(p, row_id=f"{p}") for p in (0.52, 0.6, 0.9)]
    made, outputs = run(Abstain, rows, margin=0.1)
    assert [row.p_chosen for row in made] == [0.6, 0.9]
    assert outputs.fates == {("kept", ""): 2, ("abstained", "margin"): 1}
    assert list(outputs.rows["abstained"]) == rows[:1]
    assert figure(outputs, "coverage")["value"] == pytest.approx(2 / 3)
    assert figure(outputs, "coverage")["low"] < 2 / 3 < figure(outputs, "coverage")["high"]


def test_too_few_or_divided_votes_abstain() -> None:
    rows = [preference(0.9, row_id="few", votes=1), preference(0.9, row_id="split", agreement=0.5), preference(0.9)]
    applied = apply(Abstain, rows, min_votes=2, min_agreement=0.6)
    assert applied.ended == {0: ("abstained", "too few votes"), 1: ("abstained", "too little agreement")}


def test_a_vote_that_abstained_keeps_its_reason() -> None:
    applied = apply(Abstain, [vote(None, abstained="low-mass"), vote(0.51, "ba"), vote(0.2)])
    assert applied.ended == {0: ("abstained", "low-mass"), 1: ("abstained", "margin")}


@given(preferences(), st.floats(0, 0.49), st.randoms(use_true_random=False))
def test_clamping_and_abstaining_are_of_each_row_alone(
    rows: list[Preference], by: float, chance: random.Random
) -> None:
    shuffled = chance.sample(rows, len(rows))
    for stage, params in ((Clamp, {"by": by}), (Abstain, {"margin": by})):
        here, there = (apply(stage, some, **params) for some in (rows, shuffled))
        assert sorted(here.rows, key=lambda r: r.row_id) == sorted(there.rows, key=lambda r: r.row_id)
        assert here.figures == there.figures
        assert all(0.5 <= r.p_chosen <= 1 for r in here.rows)


@given(st.floats(0, 1), st.floats(0, 0.49))
def test_clamping_mirrors_and_keeps_the_verdict(p: float, by: float) -> None:
    ab, ba = (apply(Clamp, [vote(said)], by=by).rows[0].p_first for said in (p, 1 - p))
    assert ab == pytest.approx(1 - ba)
    assert (ab - 0.5) * (p - 0.5) >= 0


@given(st.floats(0, 1), st.sampled_from([vote(0.3), preference(0.7), score(0.2)]))
def test_a_probability_that_is_put_in_can_be_read_back(p: float, row: Any) -> None:
    made = with_probability(row, p)
    turned = isinstance(made, Preference) and made.chosen != row.chosen
    assert probability(made) == pytest.approx(1 - p if turned else p)
    assert not isinstance(made, Preference) or made.p_chosen >= 0.5


# -- balance ---------------------------------------------------------------------------------------------------------


def uneven(longer: int, shorter: int, alike: int = 0) -> list[Preference]:
    sizes = [(3, 1)] * longer + [(1, 3)] * shorter + [(2, 2)] * alike
    return [preference(row_id=f"r{i}", chosen="x" * a, rejected="y" * b) for i, (a, b) in enumerate(sizes)]


def test_longer_and_shorter_become_as_many() -> None:
    rows = uneven(50, 20, 5)
    made, outputs = run(Balance, rows)
    assert len(made) == 45
    assert figure(outputs, "before.chosen_longer")["value"] > 0.7
    assert figure(outputs, "after.chosen_longer")["value"] == 0.5
    assert outputs.fates == {("kept", ""): 45, ("dropped", "too many: chosen longer"): 30}
    assert len(list(outputs.rows["dropped"])) == 30
    assert figure(outputs, "groups")["chosen longer"] == {"before": 50, "after": 20}


def test_nothing_stays_where_there_is_nothing_to_balance_with() -> None:
    assert apply(Balance, uneven(5, 0, 2)).rows == uneven(5, 0, 2)[5:]
    assert len(apply(Balance, uneven(5, 0), at_most=3).rows) == 3


def test_groups_by_principle_label_and_column() -> None:
    rows = [preference(row_id=f"{i}", principles=("ab"[i % 4 == 0],), meta={"topic": "xyz"[i % 3]}) for i in range(24)]
    by_principle = apply(Balance, rows, by="principles").rows
    assert [sum(r.principles == (name,) for r in by_principle) for name in "ab"] == [6, 6]
    by_topic = apply(Balance, rows, by="column", column="topic", at_most=3).rows
    assert [sum(r.meta["topic"] == name for r in by_topic) for name in "xyz"] == [3, 3, 3]
    scores = apply(Threshold, [score(i / 10) for i in range(10)], at=0.75).rows
    assert sorted(r.label for r in apply(Balance, scores, by="label").rows) == [False, False, True, True]


def test_parameters_of_balance_fit_together() -> None:
    assert list(Balance.check(Balance.Params(by="column")))
    assert list(Balance.check(Balance.Params(column="topic")))
    assert [said for _, said in Balance.check_inputs(Balance.Params(), {"rows": [Score]})] == [
        "`balance` by length takes Preference"
    ]


@given(preferences(), st.randoms(use_true_random=False))
def test_which_rows_stay_follows_from_the_rows(rows: list[Preference], chance: random.Random) -> None:
    here, there = (apply(Balance, some) for some in (rows, chance.sample(rows, len(rows))))
    assert {r.row_id for r in here.rows} == {r.row_id for r in there.rows}
    longer = [len(r.chosen) - len(r.rejected) for r in here.rows]
    assert sum(d > 0 for d in longer) == sum(d < 0 for d in longer)


# -- threshold -------------------------------------------------------------------------------------------------------


def test_scores_become_labels() -> None:
    made, outputs = run(Threshold, [score(s) for s in (0.2, 0.48, 0.5, 0.9)], margin=0.05, at=0.5)
    assert [(r.score, r.label) for r in made] == [(0.2, False), (0.9, True)]
    assert outputs.fates == {("kept", ""): 2, ("abstained", "margin"): 2}
    assert figure(outputs, "good")["value"] == 0.5
    assert figure(outputs, "after.good")["n"] == 2
    assert [r.label for r in apply(Threshold, [score(s) for s in (0.7, 0.8, 0.9)], at="median").rows] == [
        False,
        True,
        True,
    ]


def test_steps_become_labels_or_abstain_together() -> None:
    def steps(name: str, *scores: float) -> StepLabels:
        return StepLabels(row_id=name, prompt=ASK, completions=("a", "b"), labels=(True, True), scores=scores)

    made, outputs = run(Threshold, [steps("x", 0.9, 0.4), steps("y", 0.9, 0.52), steps("z")], margin=0.05)
    assert [r.labels for r in made] == [(True, False)]
    assert outputs.fates == {("kept", ""): 1, ("abstained", "margin"): 1, ("abstained", "steps without scores"): 1}


def test_preferences_become_hard() -> None:
    assert [r.p_chosen for r in apply(Threshold, [preference(0.6)]).rows] == [1.0]


# -- what may flow in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Clamp, Abstain, Balance, Threshold])
def test_other_records_are_refused_before_anything_runs(stage: type[Debiaser]) -> None:
    ((port, said),) = stage.check_inputs(stage.Params(), {"rows": [Pair]})
    assert port == "rows"
    assert said.startswith(f"`{stage.name}` takes ")
    assert said.endswith("not Pair")
