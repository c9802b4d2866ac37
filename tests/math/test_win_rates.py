"""Length control on verdicts whose true rates are known, because they were drawn from the model."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.statistics import Floats
from constitutional.builtin.math.win_rates import length_controlled, length_only, raw, suspicions


class World(NamedTuple):
    preference: Floats
    longer: Floats
    true: Floats


def sigma(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def world(models: int = 30, instructions: int = 400, seed: int = 0) -> World:
    """Models of all strengths that write longer on easy instructions, and are rewarded for length."""
    rng = np.random.default_rng(seed)
    theta, gamma = np.linspace(-2.5, 1.5, models)[:, None], rng.normal(size=instructions)
    spread = 500.0 + 100 * rng.random((models, 1))
    longer = spread * (0.8 * gamma + rng.normal(size=(models, instructions))) + np.linspace(-900, 900, models)[:, None]
    length = np.tanh(longer / longer.std(axis=1, keepdims=True, ddof=1))
    p = sigma(theta + 1.2 * length + 1.5 * gamma)
    won = rng.binomial(1, p).astype(float)
    return World(won, longer, sigma(theta + 1.5 * gamma).mean(axis=1))


def rates(made: World) -> Floats:
    found = length_controlled(made.preference, made.longer, np.random.default_rng(1), resamples=20)
    return np.array([one.rate.value for one in found])


def test_length_is_taken_out_and_difficulty_is_not() -> None:
    made = world()
    controlled = abs(rates(made) - made.true).mean()
    assert controlled < 0.03
    assert controlled < abs(raw(made.preference) - made.true).mean() * 0.7
    assert controlled < abs(length_only(made.preference, made.longer) - made.true).mean() / 3


def test_intervals_hold_the_truth() -> None:
    made = world(seed=4)
    found = length_controlled(made.preference, made.longer, np.random.default_rng(2))
    inside = [one.rate.low <= true <= one.rate.high for one, true in zip(found, made.true, strict=True)]
    assert sum(inside) >= 26
    assert all(one.rate.low < one.rate.value < one.rate.high and one.n == 400 for one in found)


def test_the_unit_of_length_and_the_order_of_models_are_nothing() -> None:
    made = world(10, 150)
    words = World(made.preference, made.longer / 5.5, made.true)
    turned = World(made.preference[::-1], made.longer[::-1], made.true)
    assert rates(words) == pytest.approx(rates(made), abs=1e-9)
    assert rates(turned)[::-1] == pytest.approx(rates(made), abs=1e-6)


def test_a_model_does_not_grade_its_own_instructions() -> None:
    """What one model does on an instruction moves its own rate through its own verdicts only."""
    made = world(12, 200)
    won = made.preference.copy()
    won[0] = np.random.default_rng(5).permutation(won[0])
    before, after = rates(made), rates(made._replace(preference=won))
    assert abs(after[0] - before[0]) < 0.06


def test_missing_verdicts_are_left_out() -> None:
    made = world(12, 200)
    holes = made.preference.copy()
    holes[:, ::10] = np.nan
    found = length_controlled(holes, made.longer, np.random.default_rng(1), resamples=10)
    assert {one.n for one in found} == {180}
    assert np.array([one.rate.value for one in found]) == pytest.approx(rates(made), abs=0.06)


@given(st.integers(0, 10**6))
def test_rates_stay_rates_whatever_the_verdicts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    won = rng.choice([0.0, 0.5, 1.0], p=rng.dirichlet([0.3, 0.3, 0.3]), size=(10, 12))
    found = length_controlled(won, rng.normal(size=(10, 12)) * rng.choice([0, 1, 1e6]), rng, resamples=5)
    for one in found:
        assert all(0 <= value <= 1 for value in one.rate)


@pytest.mark.parametrize(
    ("preference", "why"),
    [
        (np.ones((9, 5)), "at least 10 models"),
        (np.full((3, 5), 1.5), "0 to 1"),
        (np.array([[1.0], [0.0], [np.nan]]), "needs a verdict"),
        (np.ones(5), "models, instructions"),
    ],
)
def test_what_cannot_be_controlled_is_refused(preference: Floats, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        length_controlled(preference, np.zeros_like(preference), np.random.default_rng(0))


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="one shape"):
        length_controlled(np.ones((3, 5)), np.ones((3, 4)), np.random.default_rng(0))


def test_a_constant_answer_and_a_large_correction_are_suspicious() -> None:
    assert suspicions(0.5, 0.52, [10, 20]) == []
    assert "same length" in suspicions(0.5, 0.52, [10, 10])[0]
    assert "+9.5 points" in suspicions(0.769, 0.864)[0]
    assert len(suspicions(0.769, 0.864, [872] * 3)) == 2
