"""Ratings of single answers and of steps: said, never decided."""

import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Rating, Unanswered, UserError
from constitutional.builtin.labellers import Acceptable, Score, Steps
from constitutional.builtin.labellers.score import expected
from constitutional.builtin.labellers.step_splitting import steps_of
from constitutional.constitution.model import Example
from tests.stages_support import Asked, Said, constitution, dropped, principle, process, response

BOOK = constitution(principle("a", weight=2.0), principle("b"), principle("c"))


def logs(*shares: float) -> tuple[float, ...]:
    return tuple(math.log(share) if share else -math.inf for share in shares)


# -- score -----------------------------------------------------------------------------------------------------------


def score(**params: object) -> Score:
    return Score(Score.Params(**params))  # type: ignore[arg-type]


def test_a_score_is_the_expected_one() -> None:
    asked: list[Asked] = []
    (rating,) = process(
        score(), response(), lambda one: (asked.append(one), logs(0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0.5))[1], BOOK
    )
    assert (rating.value, rating.low, rating.high, rating.asked) == (pytest.approx(8.5), 1.0, 10.0, "score")
    assert rating.response == "r-hello-an answer"
    assert (rating.judge, rating.template, rating.weight) == (
        "label of model",
        "score/rlaif",
        BOOK[rating.principle].weight,
    )
    assert asked[0].request.options == tuple(str(i) for i in range(1, 11))
    assert "from 1 to 10" in asked[0].request.messages[0].content


def test_a_score_counts_what_fell_on_the_options_alone() -> None:
    (rating,) = process(score(low=1, high=2), response(), lambda one: logs(0.1, 0.3), BOOK)
    assert rating.value == pytest.approx(1.75)
    assert rating.mass == pytest.approx(0.4)
    assert json.loads(rating.raw) == {"1": pytest.approx(math.log(0.1)), "2": pytest.approx(math.log(0.3))}


@pytest.mark.parametrize(("said", "reason"), [(logs(*[0.004] * 10), "low-mass"), (logs(0.5, 0.5), "unreadable")])
def test_a_score_that_was_not_said_is_none(said: Sequence[float], reason: str) -> None:
    (rating,) = process(score(), response(), lambda one: said, BOOK)
    assert (rating.value, rating.abstained) == (None, reason)


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10).filter(lambda shares: sum(shares) > 0.01))
def test_an_expected_score_lies_on_the_scale_and_mirrors(shares: list[float]) -> None:
    of = tuple(share / sum(shares) for share in shares)
    there, back = expected(range(1, 11), of), expected(range(1, 11), of[::-1])
    assert there is not None
    assert back is not None
    assert 1 <= there <= 10
    assert there + back == pytest.approx(11)


def test_scores_by_all_principles_and_judges() -> None:
    ratings = process(
        score(principles="all"), response(), lambda one: logs(*[0.1] * 10), BOOK, ("models.x", "models.y")
    )
    assert [(r.principle, r.judge) for r in ratings] == [(p, j) for p in "abc" for j in "xy"]
    assert len({r.row_id for r in ratings}) == 6
    assert all(Rating.from_row(r.to_row()) == r for r in ratings)


def test_a_response_s_own_sample_is_not_the_judge_s() -> None:
    (rating,) = process(score(), response(sample=3), lambda one: logs(*[0.1] * 10), BOOK)
    assert rating.sample == 0


def test_examples_of_scores_are_scores() -> None:
    shot = {"prompt": "p", "response": "r", "answer": "7"}
    asked: list[Asked] = []
    process(score(shots=[shot]), response(), lambda one: (asked.append(one), logs(*[0.1] * 10))[1], BOOK)
    assert [turn.content for turn in asked[0].request.messages if turn.role == "assistant"] == ["7"]
    assert list(Score.check(Score.Params(shots=[{**shot, "answer": "11"}])))  # type: ignore[list-item]
    assert list(Score.check(Score.Params(low=5, high=5)))
    assert not list(Score.check(Score.Params()))


# -- acceptable ------------------------------------------------------------------------------------------------------


def acceptable(**params: object) -> Acceptable:
    return Acceptable(Acceptable.Params(**params))  # type: ignore[arg-type]


def test_acceptable_is_the_probability_of_yes() -> None:
    ratings = process(acceptable(principles="all"), response(), lambda one: logs(0.3, 0.1), BOOK)
    assert [(r.value, r.asked, r.low, r.high, r.step) for r in ratings] == [
        (pytest.approx(0.75), "acceptable", 0.0, 1.0, None)
    ] * 3


def test_nobody_is_acceptable_because_a_judge_was_silent() -> None:
    def rule(asked: Asked) -> Said:
        return Unanswered("refused") if asked.values["principle"]["id"] == "a" else logs(0.3, 0.1)

    ratings = process(acceptable(principles="all"), response(), rule, BOOK)
    assert (ratings[0].value, ratings[0].abstained) == (None, "refused")
    with pytest.raises(Unanswered, match="refused"):
        process(acceptable(), response(), lambda one: Unanswered("refused"), BOOK)


def test_each_own_example_is_shown_as_it_should_be_and_as_it_should_not() -> None:
    own = (Example("p0", "good0", "bad0"), Example("p1", "good1", "bad1"))
    book = constitution(principle("kind", examples=own))
    asked: list[Asked] = []
    process(acceptable(shots=2), response(), lambda one: (asked.append(one), logs(0.5, 0.5))[1], book)
    said = [turn.content for turn in asked[0].request.messages]
    assert said[1::2] == ["Yes", "No", "No", "Yes"]
    assert [word for text, word in zip(said[::2], ("good0", "bad0", "bad1", "good1"), strict=False) if word in text] == [
        "good0", "bad0", "bad1", "good1"]  # fmt: skip
    with pytest.raises(UserError, match="has none"):
        Acceptable.sees(Acceptable.Params(shots=1), BOOK)
    assert list(Acceptable.check(Acceptable.Params(shots=[{"prompt": "p", "response": "r", "answer": "maybe"}])))  # type: ignore[list-item]


# -- steps -----------------------------------------------------------------------------------------------------------


def steps(**params: object) -> Steps:
    return Steps(Steps.Params(**params))  # type: ignore[arg-type]


def test_each_step_is_judged_given_those_before() -> None:
    asked: list[Asked] = []
    ratings = process(
        steps(), response("one\n\ntwo\n\nthree"), lambda one: (asked.append(one), logs(0.4, 0.1))[1], BOOK
    )
    assert [(r.step, r.steps, r.asked) for r in ratings] == [(i, ("one", "two", "three"), "step") for i in range(3)]
    assert [one.values["before"] for one in asked] == [[], ["one"], ["one", "two"]]
    assert "three" not in asked[1].request.messages[0].content
    assert [one.values["number"] for one in asked] == [1, 2, 3]
    assert len({r.row_id for r in ratings}) == 3


def test_a_wrong_step_ends_nothing() -> None:
    def rule(asked: Asked) -> Said:
        return logs(0.1, 0.9) if asked.values["step"] == "two" else logs(0.9, 0.1)

    ratings = process(steps(), response("one\ntwo\nthree"), rule, BOOK)
    assert [round(r.value, 1) for r in ratings] == [0.9, 0.1, 0.9]


def test_answers_without_steps_or_with_too_many_are_dropped() -> None:
    assert dropped(steps(), response(" \n\n ")) == "no steps"
    assert dropped(steps(most_steps=2), response("a\nb\nc")) == "more than 2 steps"


@pytest.mark.parametrize(("text", "separator", "found"), [
    ("a\n\nb", None, ("a", "b")), ("a\nb", None, ("a", "b")), ("a", None, ("a",)), ("a\r\n\r\nb\r\nc", None, ("a", "b\nc")),
    ("a\n \n\n b", None, ("a", "b")), ("a ки b ки", " ки", ("a", "b")), ("a\n\nb\nc", "\n", ("a", "b", "c")), ("", None, ()),
    ("see\n\n```python\nx = 1\n\ny = 2\n```\n\nend", None, ("see", "```python\nx = 1\n\ny = 2\n```", "end")),
    ("a\n\n```\nnever closed\n\nb", None, ("a", "```\nnever closed", "b")),
])  # fmt: skip
def test_where_steps_begin(text: str, separator: str | None, found: tuple[str, ...]) -> None:
    assert steps_of(text, separator) == found


@given(st.text(alphabet="ab#`\n ", max_size=60), st.sampled_from([None, "\n", "#"]))
def test_steps_lose_nothing_but_space_and_separators(text: str, separator: str | None) -> None:
    found = steps_of(text, separator)
    assert all(step == step.strip() and step for step in found)
    kept = "".join(found).replace(separator or " ", "")
    whole = text.replace(separator or " ", "")
    assert "".join(kept.split()) == "".join(whole.split())
