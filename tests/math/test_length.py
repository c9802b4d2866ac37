"""The effect of length is found where it was put, and taking it out leaves the rest."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.length import length_effect, length_effect_interval, scaled, without_length
from constitutional.builtin.math.probability import logit, sigmoid


def simulated(n: int, phi: float, seed: int = 0) -> tuple[list[float], np.ndarray, list[float]]:
    """Probabilities of pairs whose log-odds are content plus phi tanh(d / std d), and the content."""
    chance = random.Random(seed)
    x = scaled([chance.gauss(0, 200) for _ in range(n)])
    content = [chance.gauss(0, 0.5) for _ in range(n)]
    return [sigmoid(c + phi * lead) for c, lead in zip(content, x, strict=True)], x, content


def test_lengths_are_scaled_by_their_deviation() -> None:
    assert scaled([10, -10]) == pytest.approx([np.tanh(1), -np.tanh(1)])
    assert scaled([0, 0]).tolist() == [0, 0]
    assert scaled([]).tolist() == []


@pytest.mark.parametrize("phi", [-1.0, 0.0, 1.5])
def test_the_effect_that_was_put_in_is_found_and_taken_out(phi: float) -> None:
    p, x, content = simulated(3000, phi)
    found = length_effect_interval(p, x, np.random.default_rng(0))
    assert found.value == pytest.approx(phi, abs=0.12)
    assert found.low <= found.value <= found.high
    left = [logit(without_length(said, lead, phi)) for said, lead in zip(p, x, strict=True)]
    assert left == pytest.approx(content, abs=1e-6)
    assert length_effect([sigmoid(one) for one in left], x) == pytest.approx(0.0, abs=0.1)


def test_a_judge_that_always_prefers_the_longer_gives_a_finite_effect() -> None:
    assert 1 < length_effect([1.0] * 50, np.full(50, 0.8)) < 100
    assert length_effect([], np.zeros(0)) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=1, max_size=40), st.data())
def test_which_answer_is_called_the_first_changes_nothing(pairs: list, data: st.DataObject) -> None:
    flips = data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    turned = [(1 - p, -x) if flip else (p, x) for (p, x), flip in zip(pairs, flips, strict=True)]
    here, there = (length_effect([p for p, _ in some], np.array([x for _, x in some])) for some in (pairs, turned))
    assert here == pytest.approx(there, abs=1e-6)
