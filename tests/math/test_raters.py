"""Agreement beyond chance, against worked examples and against what must hold for any ratings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.raters import (
    bootstrap,
    cohen_kappa,
    coincidences,
    confusion,
    krippendorff_alpha,
    raw_agreement,
)

units = st.lists(st.lists(st.integers(0, 2), max_size=5), min_size=1, max_size=20)
pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def test_kappa_of_a_worked_example():
    """50 proposals, two readers: 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no; observed 0.7, expected 0.5."""
    counts = np.array([[20.0, 5.0], [10.0, 15.0]])
    assert raw_agreement(counts) == pytest.approx(0.7)
    assert cohen_kappa(counts) == pytest.approx(0.4)


def test_alpha_of_krippendorffs_example():
    """Krippendorff 2011, section C: four observers, twelve units, five nominal values, some missing; alpha 0.743."""
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    whole = sum(coincidences([r[u] - 1 for r in rows if r[u] is not None], 5) for u in range(12))
    assert whole.sum() == 40
    assert krippendorff_alpha(whole) == pytest.approx(0.743, abs=5e-4)


def test_two_raters_without_missing_ratings():
    """Krippendorff 2011, section A: two observers, ten units, two values; alpha 0.095."""
    one, other = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    whole = sum(coincidences(pair, 2) for pair in zip(one, other, strict=True))
    assert krippendorff_alpha(whole) == pytest.approx(0.095, abs=5e-4)


def test_scikit_learn_agrees():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    other = np.where(rng.random(200) < 0.5, one, other)
    made = confusion(list(zip(one.tolist(), other.tolist(), strict=True)), 3)
    assert cohen_kappa(made) == pytest.approx(metrics.cohen_kappa_score(one, other))


@given(pairs)
def test_kappa_is_symmetric_and_at_most_one(found):
    made = confusion(found, 3)
    kappa = cohen_kappa(made)
    assert math.isnan(kappa) or kappa <= 1 + 1e-12
    assert math.isnan(kappa) or kappa == pytest.approx(cohen_kappa(made.T))
    if all(one == other for one, other in found) and len({one for one, _ in found}) > 1:
        assert kappa == pytest.approx(1.0)


@given(units)
def test_alpha_does_not_depend_on_the_names_of_categories(found):
    renamed = [[(value + 1) % 3 for value in unit] for unit in found]
    alpha = krippendorff_alpha(sum(coincidences(unit, 3) for unit in found))
    again = krippendorff_alpha(sum(coincidences(unit, 3) for unit in renamed))
    assert (math.isnan(alpha) and math.isnan(again)) or alpha == pytest.approx(again)
    assert math.isnan(alpha) or alpha <= 1 + 1e-12


@given(units)
def test_a_unit_weighs_as_many_as_its_ratings_and_single_ones_nothing(found):
    for unit in found:
        assert coincidences(unit, 3).sum() == pytest.approx(len(unit) if len(unit) > 1 else 0)


def test_nothing_to_go_by_is_not_defined():
    nothing = np.zeros((3, 3))
    assert math.isnan(raw_agreement(nothing))
    assert math.isnan(cohen_kappa(nothing))
    assert math.isnan(krippendorff_alpha(nothing))
    assert math.isnan(cohen_kappa(confusion([(1, 1)] * 9, 3)))


def test_the_bootstrap_covers_the_truth_and_draws_whole_clusters():
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(60):
        hits = rng.random(80) < 0.7
        found = bootstrap([confusion([(0, 0 if hit else 1)], 2) for hit in hits], raw_agreement, rng, resamples=400)
        covered += found.low <= 0.7 <= found.high
    assert covered >= 50
    single = [confusion([(0, place % 2)], 2) for place in range(40)]
    narrow = bootstrap(single, raw_agreement, np.random.default_rng(0))
    wide = bootstrap(single, raw_agreement, np.random.default_rng(0), clusters=[place % 2 for place in range(40)])
    assert wide.high - wide.low > narrow.high - narrow.low
    with pytest.raises(ValueError, match="nothing"):
        bootstrap([], raw_agreement, rng)
