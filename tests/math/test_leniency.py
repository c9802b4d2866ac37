"""Judges' generosity is found from what they share, however the work was divided."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.leniency import leniency, leniency_intervals

TRUE = {"harsh": -0.2, "fair": 0.05, "mild": 0.15}


def rated(n: int, seed: int = 0) -> tuple[list[float], list[int], list[str]]:
    """Each item is rated by two of three judges; the harsh one sees better items more often."""
    chance = random.Random(seed)
    values, items, judges = [], [], []
    for item in range(n):
        worth = chance.random()
        pair = ["harsh", chance.choice(["fair", "mild"])] if worth > 0.6 else chance.sample(sorted(TRUE), 2)
        for judge in pair:
            values.append(worth + TRUE[judge] + chance.gauss(0, 0.05))
            items.append(item)
            judges.append(judge)
    return values, items, judges


def test_generosity_is_found_although_judges_saw_different_items() -> None:
    found = leniency_intervals(*rated(500), np.random.default_rng(0))
    for judge, true in TRUE.items():
        assert found[judge].low < true < found[judge].high
        assert found[judge].value == pytest.approx(true, abs=0.02)
        assert found[judge].high - found[judge].low < 0.05


def test_judges_who_share_nothing_cannot_be_compared() -> None:
    assert leniency([0.1, 0.9], ["a", "b"], ["x", "y"]) == {"x": 0.0, "y": 0.0}
    assert leniency([], [], []) == {}
    assert leniency_intervals([], [], [], np.random.default_rng(0)) == {}


ratings = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abc"), st.sampled_from("xyz")), min_size=1, max_size=20)


@given(ratings, st.floats(-1, 1))
def test_what_all_judges_add_is_nobodys_generosity(said: list, shift: float) -> None:
    values, items, judges = (list(column) for column in zip(*said, strict=True))
    here, there = leniency(values, items, judges), leniency([v + shift for v in values], items, judges)
    assert list(here.values()) == pytest.approx(list(there.values()), abs=1e-7)
    assert sum(here.values()) == pytest.approx(0.0, abs=1e-7)
