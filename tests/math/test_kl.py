"""Estimators of divergence against the exact one, on distributions small enough to add up."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.kl import k1, k3

POLICY = {"": (0.6, 0.3, 0.1), "a": (0.2, 0.5, 0.3), "b": (0.9, 0.05, 0.05), "c": (1 / 3, 1 / 3, 1 / 3)}
REFERENCE = {"": (0.3, 0.3, 0.4), "a": (0.25, 0.25, 0.5), "b": (0.5, 0.3, 0.2), "c": (0.1, 0.1, 0.8)}

logs = st.lists(st.floats(-20, 0), min_size=1, max_size=8)


def test_one_token_by_hand() -> None:
    ours, theirs = [math.log(0.8)], [math.log(0.2)]
    assert k1(ours, theirs) == pytest.approx([math.log(4)])
    assert k3(ours, theirs) == pytest.approx([0.25 - 1 + math.log(4)])


def test_both_have_the_divergence_of_whole_texts_as_their_mean() -> None:
    """Texts of two tokens, the second drawn by the first: every text with its probability, so that nothing is left to chance."""
    exact = means1 = means3 = 0.0
    for first, second in product(range(3), repeat=2):
        place = "abc"[first]
        ours = (POLICY[""][first], POLICY[place][second])
        theirs = (REFERENCE[""][first], REFERENCE[place][second])
        p, q = math.prod(ours), math.prod(theirs)
        exact += p * math.log(p / q)
        policy, reference = ([math.log(x) for x in one] for one in (ours, theirs))
        means1 += p * sum(k1(policy, reference))
        means3 += p * sum(k3(policy, reference))
    assert means1 == pytest.approx(exact)
    assert means3 == pytest.approx(exact)


@given(logs, logs)
def test_the_second_is_never_below_zero_and_both_are_zero_for_the_same(one: list[float], other: list[float]) -> None:
    length = min(len(one), len(other))
    assert all(value >= 0 for value in k3(one[:length], other[:length]))
    assert k1(one, one) == k3(one, one) == [0.0] * len(one)


@given(logs, logs)
def test_they_are_those_that_ppo_watches(one: list[float], other: list[float]) -> None:
    import torch

    from constitutional.builtin.math import ppo

    length = min(len(one), len(other))
    ours, theirs = one[:length], other[:length]
    rows = [torch.tensor([row], dtype=torch.float64) for row in (ours, theirs)]
    ones = torch.ones_like(rows[0])
    assert float(ppo.divergence(*rows, ones)) == pytest.approx(sum(k1(ours, theirs)), abs=1e-9)


def test_different_lengths_are_a_mistake_and_too_much_is_infinite() -> None:
    with pytest.raises(ValueError, match="argument 2"):
        k1([-1.0], [-1.0, -2.0])
    assert k3([-1000.0], [0.0]) == [math.inf]
