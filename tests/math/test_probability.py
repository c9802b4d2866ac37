"""Log-odds at the ends, and the algebra of position bias."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.agreement import (
    consistent,
    content_preference,
    position_preference,
    same_position,
    winner,
)
from constitutional.builtin.math.probability import clamp, logit, mean, sigmoid, weighted_mean

probabilities = st.floats(0, 1)
finite = st.floats(-1e3, 1e3)


def test_known_values() -> None:
    assert logit(0.75) == pytest.approx(math.log(3))
    assert sigmoid(math.log(3)) == pytest.approx(0.75)
    assert logit(1.0, by=0.4) == pytest.approx(math.log(1.5))


@pytest.mark.parametrize("p", [math.nan, -0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="not a probability"):
        clamp(p)


@given(probabilities)
def test_certainty_stays_finite(p: float) -> None:
    assert math.isfinite(logit(p))
    assert 0 < sigmoid(logit(p)) < 1


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_sigmoid_never_overflows(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1


@given(st.lists(finite, min_size=1))
def test_a_mean_does_not_depend_on_order(values: list[float]) -> None:
    shuffled = random.Random(0).sample(values, len(values))
    assert mean(values) == mean(shuffled)


def test_weights_must_weigh() -> None:
    with pytest.raises(ValueError, match="more than zero"):
        weighted_mean([(1.0, 0.0)])


@given(finite, finite)
def test_bias_and_content_come_apart(bias: float, content: float) -> None:
    """With ab = b + d and ba = b - d, b and d are found again."""
    assert position_preference(bias + content, bias - content) == pytest.approx(bias, abs=1e-9)
    assert content_preference(bias + content, bias - content) == pytest.approx(content, abs=1e-9)


@given(finite, finite)
def test_a_verdict_either_follows_the_answer_or_the_position(ab: float, ba: float) -> None:
    assert not (same_position(ab, ba) and consistent(ab, ba))


def test_winner_and_margin() -> None:
    assert [winner(x) for x in (2.0, 0.0, -2.0)] == ["first", "tie", "second"]
    assert winner(logit(0.54), margin=0.05) == "tie"
    assert winner(logit(0.56), margin=0.05) == "first"
