"""Judges of known error rates are found again, and pairs are decided better than by counting heads."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from constitutional.builtin.math.dawid_skene import accuracy, dawid_skene


def simulated(n: int, rates: list[tuple[float, float]], seed: int = 0, prior: float = 0.5):
    """True classes, and counts of observers who are right with the given chance where 0, and where 1, is true."""
    chance = random.Random(seed)
    truth = np.array([int(chance.random() >= prior) for _ in range(n)])
    counts = np.zeros((n, len(rates), 2))
    for item, true in enumerate(truth):
        for observer, right in enumerate(rates):
            said = true if chance.random() < right[true] else 1 - true
            counts[item, observer, said] += 1
    return truth, counts


def test_the_error_rates_of_observers_are_found() -> None:
    rates = [(0.95, 0.9), (0.8, 0.7), (0.65, 0.6), (0.9, 0.6), (0.55, 0.5)]
    _, counts = simulated(4000, rates, prior=0.4)
    found = dawid_skene(counts)
    for observer, (zero, one) in enumerate(rates):
        assert found.confusion[observer, 0, 0] == pytest.approx(zero, abs=0.04)
        assert found.confusion[observer, 1, 1] == pytest.approx(one, abs=0.04)
    assert found.prior == pytest.approx([0.4, 0.6], abs=0.03)
    assert accuracy(found.confusion) == pytest.approx([(a + b) / 2 for a, b in rates], abs=0.03)


def test_one_good_observer_outweighs_three_poor_ones() -> None:
    truth, counts = simulated(2000, [(0.95, 0.95)] + [(0.6, 0.6)] * 3)
    by_skill = dawid_skene(counts).posterior.argmax(axis=1)
    heads = counts.sum(axis=1)
    by_heads = np.where(heads[:, 0] == heads[:, 1], 0.5, (heads[:, 1] > heads[:, 0]).astype(float))
    right, counted = (by_skill == truth).mean(), 1 - np.abs(by_heads - truth).mean()
    assert right > 0.94
    assert right > counted + 0.1


def test_an_observer_that_always_says_the_same_tells_nothing() -> None:
    truth, counts = simulated(1000, [(0.9, 0.9), (0.85, 0.85), (1.0, 0.0)])
    found = dawid_skene(counts)
    assert accuracy(found.confusion)[2] == pytest.approx(0.5, abs=0.02)
    assert (found.posterior.argmax(axis=1) == truth).mean() > 0.85


def test_items_that_nobody_saw_get_the_prior() -> None:
    _, counts = simulated(300, [(0.9, 0.9)] * 3, prior=0.7)
    counts = np.concatenate([counts, np.zeros((1, 3, 2))])
    found = dawid_skene(counts)
    assert found.posterior[-1] == pytest.approx(found.prior, abs=1e-6)


@pytest.mark.parametrize(
    "counts", [np.zeros((2, 2)), -np.ones((1, 1, 2)), np.full((1, 1, 2), np.nan), np.zeros((0, 1, 2))]
)
def test_what_are_no_counts_is_refused(counts: np.ndarray) -> None:
    with pytest.raises(ValueError):
        dawid_skene(counts)


small = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4), st.just(2)), elements=st.integers(0, 3)
)


@given(small)
def test_beliefs_are_probabilities_and_exchanging_classes_exchanges_them(counts: np.ndarray) -> None:
    found, other = dawid_skene(counts), dawid_skene(counts[:, :, ::-1])
    assert found.posterior.sum(axis=1) == pytest.approx(1.0)
    assert found.confusion.sum(axis=2) == pytest.approx(1.0)
    assert (found.posterior >= 0).all()
    assert other.posterior[:, ::-1] == pytest.approx(found.posterior, abs=1e-5)


@given(small, st.randoms(use_true_random=False))
def test_the_order_of_items_and_observers_changes_nothing(counts: np.ndarray, chance: random.Random) -> None:
    items, observers = (chance.sample(range(n), n) for n in counts.shape[:2])
    shuffled = dawid_skene(counts[items][:, observers])
    assert shuffled.posterior == pytest.approx(dawid_skene(counts).posterior[items], abs=1e-5)
