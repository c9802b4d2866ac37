"""Strengths against the closed form, scipy's logistic optimum, and their own likelihood equations."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from constitutional.builtin.math.bradley_terry import CENTRE, SCALE, Game, connected, standings, strengths

WINS = st.integers(2, 5).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_two_contestants_have_a_closed_form() -> None:
    s = strengths(np.array([[0.0, 3.0], [1.0, 0.0]]))
    assert s[0] - s[1] == pytest.approx(math.log(3))
    assert s.sum() == pytest.approx(0)


def test_the_optimum_is_that_of_a_general_optimiser() -> None:
    wins = rng(3).integers(1, 30, size=(5, 5)).astype(float)
    np.fill_diagonal(wins, 0)
    found = minimize(lambda s: (wins * np.logaddexp(0, s[None, :] - s[:, None])).sum(), np.zeros(5), tol=1e-12).x
    assert strengths(wins) == pytest.approx(found - found.mean(), abs=1e-4)


@given(WINS)
def test_expected_wins_equal_the_wins_that_were_seen(table: list[list[int]]) -> None:
    """The likelihood equations of the model; without a finite solution they are refused."""
    wins = np.array(table, dtype=float)
    np.fill_diagonal(wins, 0)
    if not connected(wins):
        with pytest.raises(ValueError, match="never"):
            strengths(wins)
        return
    s = strengths(wins)
    expected = ((wins + wins.T) / (1 + np.exp(s[None, :] - s[:, None]))).sum(axis=1)
    assert expected == pytest.approx(wins.sum(axis=1), abs=1e-6)


def test_the_order_of_games_is_nothing_to_the_estimate() -> None:
    games = (
        [Game("a", "b", 1.0)] * 30 + [Game("b", "c", 0.5)] * 20 + [Game("a", "b", 0.0)] * 10 + [Game("c", "a", 0.5)] * 5
    )
    mixed = [games[i] for i in rng(1).permutation(len(games))]
    values = [
        {name: points.value for name, points in standings(each, rng(), resamples=5).points.items()}
        for each in (games, mixed)
    ]
    assert values[0] == pytest.approx(values[1])


def test_points_are_on_the_elo_scale_and_intervals_hold_the_estimate() -> None:
    games = [Game("strong", "weak", 1.0)] * 100 + [Game("weak", "strong", 1.0)] * 10
    found = standings(games, rng(), resamples=300)
    strong, weak = found.points["strong"], found.points["weak"]
    assert list(found.points) == ["strong", "weak"]
    assert strong.value - weak.value == pytest.approx(SCALE)
    assert strong.value + weak.value == pytest.approx(2 * CENTRE)
    assert strong.low < strong.value < strong.high
    assert (found.games, found.unfinished) == (110, 0)


def test_resamples_without_an_estimate_are_counted_not_invented() -> None:
    found = standings([Game("a", "b", 1.0)] * 4 + [Game("a", "b", 0.0)], rng(), resamples=200)
    assert 0 < found.unfinished < 200


def test_clusters_widen_intervals() -> None:
    games = [Game("a", "b", float(i % 3 > 0)) for i in range(120)]
    alone, grouped = (
        standings(games, rng(), clusters, resamples=300).points["a"] for clusters in (None, [i % 3 for i in range(120)])
    )
    assert grouped.value == pytest.approx(alone.value)
    assert grouped.high - grouped.low > alone.high - alone.low


@pytest.mark.parametrize(
    ("games", "clusters", "why"),
    [
        ([], None, "no games"),
        ([Game("a", "b", 1.0)], None, "never"),
        ([Game("a", "b", 1.0), Game("c", "d", 0.5)], None, "never"),
        ([Game("a", "a", 0.5)], None, "two contestants"),
        ([Game("a", "b", 1.5)], None, "0 to 1"),
        ([Game("a", "b", 0.5)], ["x", "y"], "clusters"),
    ],
)
def test_what_cannot_be_estimated_is_refused(games: list[Game], clusters: list[str] | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        standings(games, rng(), clusters)
