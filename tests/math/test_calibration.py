"""Calibration: the measures by hand, and maps that find a distortion again and keep order."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.calibration import (
    Temperature,
    brier,
    calibration_error_interval,
    expected_calibration_error,
    fit_isotonic,
    fit_temperature,
)
from constitutional.builtin.math.probability import logit, sigmoid

rows = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=50)


def drawn(n: int, stretch: float, seed: int = 0) -> tuple[list[float], list[float]]:
    """Outcomes of true log-odds, and what one says who stretches them."""
    chance = random.Random(seed)
    d = [chance.gauss(0, 1.5) for _ in range(n)]
    return [sigmoid(stretch * x) for x in d], [float(chance.random() < sigmoid(x)) for x in d]


def test_by_hand() -> None:
    p, y = [0.9, 0.8, 0.25, 0.75], [1.0, 0.0, 0.0, 1.0]
    assert brier(p, y) == pytest.approx([0.01, 0.64, 0.0625, 0.0625])
    # bins: 0.9 alone, 0.8 alone, 0.25 alone, 0.75 alone
    assert expected_calibration_error(p, y) == pytest.approx((0.1 + 0.8 + 0.25 + 0.25) / 4)
    assert expected_calibration_error([0.71, 0.73], [1.0, 0.0]) == pytest.approx(0.22)
    assert expected_calibration_error([1.0, 0.0], [1.0, 0.0]) == 0.0


@pytest.mark.parametrize("stretch", [0.5, 1.0, 3.0])
def test_the_temperature_of_an_overconfident_judge_is_found(stretch: float) -> None:
    p, y = drawn(4000, stretch)
    assert fit_temperature(p, y).temperature == pytest.approx(stretch, rel=0.12)


def test_both_maps_mend_a_stretched_judge_on_rows_they_have_not_seen() -> None:
    p, y = drawn(3000, 3.0)
    new_p, new_y = drawn(3000, 3.0, seed=1)
    worst = expected_calibration_error(new_p, new_y)
    for fitted in (fit_temperature(p, y), fit_isotonic(p, y)):
        mapped = [fitted(one) for one in new_p]
        assert expected_calibration_error(mapped, new_y) < worst / 3
        assert sum(brier(mapped, new_y)) < sum(brier(new_p, new_y))


def test_the_interval_of_the_error_covers_it() -> None:
    p, y = drawn(500, 2.0)
    found = calibration_error_interval(p, y, np.random.default_rng(0))
    assert found.low <= found.value <= found.high
    assert found.high - found.low < 0.15


def test_no_rows_are_refused() -> None:
    for measure in (fit_temperature, fit_isotonic, expected_calibration_error):
        with pytest.raises(ValueError):
            measure([], [])


@given(rows, st.lists(st.floats(0, 1), min_size=2, max_size=20), st.booleans())
def test_maps_keep_order_and_give_probabilities(said: list, asked: list[float], mirrored: bool) -> None:
    p, y = [a for a, _ in said], [b for _, b in said]
    for fitted in (fit_temperature(p, y), fit_isotonic(p, y, mirrored=mirrored)):
        mapped = [fitted(one) for one in sorted(asked)]
        assert all(a <= b for a, b in itertools.pairwise(mapped))
        assert all(0 <= one <= 1 for one in mapped)


@given(rows, st.floats(0, 1))
def test_a_mirrored_map_mirrors(said: list, p: float) -> None:
    fitted = fit_isotonic([a for a, _ in said], [b for _, b in said], mirrored=True)
    assert fitted(p) + fitted(1 - p) == pytest.approx(1.0, abs=1e-6)


@given(st.floats(0.01, 0.99))
def test_a_temperature_of_one_changes_nothing(p: float) -> None:
    assert Temperature(1.0)(p) == pytest.approx(p)
    assert Temperature(2.0)(p) == pytest.approx(sigmoid(logit(p) / 2))
