"""The reward's contract: combinations, rules, what is missing, and what an expression may say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from constitutional.api import Messages, StepFailed, UserError, assistant, user
from constitutional.builtin.math.drift import repetition
from constitutional.builtin.rewards import combine
from constitutional.builtin.rewards.build import build, measured, mistakes
from constitutional.builtin.rewards.contract import Missing, Scored, finite
from constitutional.builtin.rewards.expression import Expression, labels
from constitutional.builtin.rewards.rules import Rules, RuleScorer


class Fixed:
    """One score for every dialogue."""

    def __init__(self, value: float | None, reason: str = "late") -> None:
        self._one = Scored(value) if value is not None else Scored(None, reason)

    def score(self, dialogues: Sequence[Messages], metas: Any = None) -> list[Scored]:
        return [self._one] * len(dialogues)


def said(text: str) -> Messages:
    return (user("hi"), assistant(text))


def of(scorer: Any, text: str = "ok") -> Scored:
    (one,) = scorer.score([said(text)])
    return one


# -- combinations ----------------------------------------------------------------------------------------------------------


def test_a_weighted_sum() -> None:
    assert of(combine.weighted({"a": Fixed(2.0), "b": Fixed(-1.0)}, [0.75, 0.25])).value == 1.25


def test_an_ensemble_by_mean_worst_and_pessimism() -> None:
    members = {"a": Fixed(1.0), "b": Fixed(3.0)}
    assert of(combine.mean(members)).value == 2
    assert of(combine.worst(members)).value == 1
    assert of(combine.pessimistic(members, 0.5)).value == 1.5


def test_normalising_takes_off_the_mean_and_divides_by_the_deviation() -> None:
    assert of(combine.normalised("a", Fixed(5.0), 3.0, 4.0)).value == 0.5


@given(st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=5))
def test_where_one_part_is_missing_the_whole_is_and_says_which(values: list[float | None]) -> None:
    parts = {f"m{i}": Fixed(value) for i, value in enumerate(values)}
    for made in (
        combine.weighted(parts, [1.0] * len(parts)),
        combine.mean(parts),
        combine.worst(parts),
        combine.pessimistic(parts, 1),
    ):
        found = of(made)
        if None in values:
            assert found == (None, f"m{values.index(None)}: late")
        else:
            assert found.value is not None


@given(st.floats(0, 1), st.floats(-9, 9), st.floats(-9, 9))
def test_a_share_lies_between_what_it_mixes(alpha: float, helpful: float, harmless: float) -> None:
    found = of(combine.Hybrid(Fixed(helpful), Fixed(harmless), alpha, "category", {})).value
    assert found is not None
    assert min(helpful, harmless) - 1e-9 <= found <= max(helpful, harmless) + 1e-9


def test_the_category_of_a_row_chooses_the_share() -> None:
    made = combine.Hybrid(Fixed(1.0), Fixed(-1.0), 0.5, "kind", {"order": 1.0, "attack": 0.25, "true": 0.0})
    metas: list[dict[str, Any]] = [{"kind": "order"}, {"kind": "attack"}, {"kind": "new"}, {}, {"kind": True}]
    assert [one.value for one in made.score([said("ok")] * 5, metas)] == [1.0, -0.5, 0.0, 0.0, -1.0]
    assert of(made).value == 0.0


def test_a_row_without_a_share_or_a_part_has_no_score() -> None:
    assert of(combine.Hybrid(Fixed(1.0), Fixed(0.0), None, "kind", {"a": 1.0})) == (None, "no alpha for its `kind`")
    assert of(combine.Hybrid(Fixed(1.0), Fixed(None), 1.0, "kind", {})) == (None, "harmless: late")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_no_score(value: float) -> None:
    assert finite(value) == (None, "not a number")
    assert of(combine.mean({"a": Fixed(value)})).value is None


# -- rules -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ({"max_words": 2}, "one two", 1), ({"max_words": 2}, "one two three", 0.5), ({"max_words": 2}, "a b c d e", 0),
        ({"min_words": 4}, "one", 0.25), ({"min_words": 4}, "a b c d e", 1), ({"min_words": 4}, "", 0),
        ({"starts_with": ["Yes", "No"]}, "No, never", 1), ({"starts_with": ["Yes"]}, "Oh yes", 0),
        ({"ends_with": [".", "!"]}, "Stop!", 1), ({"ends_with": ["."]}, "Stop", 0),
        ({"contains": ["Email", "order"]}, "your EMAIL", 0.5), ({"lacks": ["sorry"]}, "I am Sorry", 0),
        ({"json_object": True}, '{"a": 1}', 1), ({"json_object": True}, "[1]", 0), ({"json_object": True}, "[" * 5000, 0),
        ({"max_repetition": 0.0}, "a b c a b c", 0.75), ({"max_repetition": 0.5}, "a b c d", 1),
        ({"max_words": 2, "ends_with": ["."]}, "one two", 0.5),
    ],
)  # fmt: skip
def test_rules(rule: dict[str, Any], text: str, expected: float) -> None:
    assert of(RuleScorer(Rules(**rule)), text).value == pytest.approx(expected)


@given(st.text(max_size=200))
def test_every_text_has_a_score_between_nothing_and_one(text: str) -> None:
    rules = Rules(min_words=3, max_words=5, starts_with=("a",), ends_with=("z",), contains=("b",), lacks=("c",),
                  json_object=True, max_repetition=0.2)  # fmt: skip
    value = of(RuleScorer(rules), text).value
    assert value is not None
    assert 0 <= value <= 1
    assert 0 <= repetition(text) < 1


def test_a_dialogue_without_an_answer_has_no_score() -> None:
    assert RuleScorer(Rules(max_words=1)).score([(), (user("hi"),)]) == [(None, "empty"), (None, "empty")]


# -- what is missing -------------------------------------------------------------------------------------------------------


def test_missing_scores_are_counted_by_reason() -> None:
    missing = Missing(0.5)
    missing.check([Scored(1.0), Scored(None, "late")])
    missing.check([Scored(1.0), Scored(None, "empty"), Scored(0.0)])
    assert (missing.scored, missing.counts()) == (3, {"empty": 1, "late": 1})


@pytest.mark.parametrize(
    ("most", "absent", "stops"), [(0, 0, False), (0, 1, True), (0.5, 2, False), (0.5, 3, True), (1, 4, True)]
)
def test_too_many_stop_a_training_and_none_at_all_always(most: float, absent: int, stops: bool) -> None:
    batch = [Scored(None, "late")] * absent + [Scored(1.0)] * (4 - absent)
    if not stops:
        Missing(most).check(batch)
        return
    with pytest.raises(StepFailed, match=rf"{absent} of 4 completions have no score \(late: {absent}\)"):
        Missing(most).check(batch)


# -- expressions -----------------------------------------------------------------------------------------------------------


def expression(written: Any) -> Any:
    return Expression.model_validate(written)


def test_an_expression_names_its_labels_at_any_depth() -> None:
    deep = {"weighted": [{"of": "a", "weight": 1}, {"of": {"ensemble": {"of": ["b", {"normalise": {"of": "c"}}]}}, "weight": 2},
                         {"of": {"process": {"of": "d"}}, "weight": 1}]}  # fmt: skip
    assert labels(expression(deep)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "exactly one of"), ({"weighted": {"a": 1}, "rules": {"max_words": 3}}, "not 2"),
        ({"weighted": {}}, "at least one term"), ({"rules": {}}, "at least one rule"),
        ({"ensemble": {"of": ["a"]}}, "at least 2"), ({"normalise": {"of": "a", "mean": 1}}, "together"),
        ({"normalise": {"of": {"rules": {"max_words": 3}}}}, "measured its own"), ({"weigthed": {"a": 1}}, "Extra inputs"),
        ({"normalise": {"of": "a", "mean": 0, "std": 0}}, "greater than 0"),
        ({"weighted": [{"of": "a", "weight": float("nan")}]}, "finite"),
        ({"hybrid": {"helpful": "a", "harmless": "b"}}, "needs `alpha`"),
        ({"hybrid": {"helpful": "a", "harmless": "b", "alphas": {"x": 2}}}, "less than or equal to 1"),
        ({"judge": {"low": 5, "high": 5}}, "less than `high`"), ({"judge": {"rule": "Be kind.", "principles": 2}}, "not both"),
        ({"judge": {"server": {"model": "m"}}}, "needs `base_url`"),
    ],
)  # fmt: skip
def test_what_an_expression_may_not_say(written: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        expression(written)


def test_expressions_end_somewhere() -> None:
    written: Any = "a"
    for _ in range(9):
        written = {"weighted": [{"of": written, "weight": 1.0}]}
    with pytest.raises(ValidationError, match="deep"):
        expression(written)


def test_expressions_of_rules_need_no_model() -> None:
    made = build(
        expression(
            {
                "weighted": [
                    {"of": {"rules": {"max_words": 1}}, "weight": 2},
                    {"of": {"rules": {"ends_with": ["!"]}}, "weight": -1},
                ]
            }
        ),
        {},
    )
    assert of(made, "no!").value == 1
    assert of(made, "no").value == 2


def test_two_rules_of_one_kind_do_not_share_a_name() -> None:
    made: Any = build(
        expression({"ensemble": {"of": [{"rules": {"max_words": 1}}, {"rules": {"max_words": 2}}], "combine": "min"}}),
        {},
    )
    assert list(made._parts) == ["rules", "rules (2)"]


def test_labels_and_connections_must_agree() -> None:
    assert mistakes("helpfull", ["helpful"])[0].endswith("did you mean `helpful`?")
    assert "(connected: none)" in mistakes("helpful", [])[0]
    with pytest.raises(UserError, match="there is no reward"):
        build(None, {})


def test_the_spread_of_a_model_from_elsewhere_must_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not say how its scores are spread"):
        measured(tmp_path, "a")
    (tmp_path / "training.json").write_text('{"score_mean": 1.5, "score_std": 0.5}')
    assert measured(tmp_path, "a") == (1.5, 0.5)
    (tmp_path / "training.json").write_text('{"score_mean": 1.5, "score_std": 0.0}')
    with pytest.raises(UserError, match="alike"):
        measured(tmp_path, "a")
