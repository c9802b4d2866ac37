"""Intervals and tests against values from elsewhere: papers, scipy, or worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from constitutional.builtin.math.statistics import (
    bootstrap_mean,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    sign_flip,
    wilson,
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (1, 29), (15, 148), (81, 263), (20, 20), (1, 1)])
def test_wilson_agrees_with_scipy(hits: int, n: int) -> None:
    ours, theirs = wilson(hits, n), stats.binomtest(hits, n).proportion_ci(method="wilson")
    assert ours.value == hits / n
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_as_published() -> None:
    """Newcombe 1998 (Statistics in Medicine 17, 857), table I, method 3."""
    assert wilson(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148)[1:] == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20)[1:] == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29)[1:] == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_wilson_refuses_what_is_no_share(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        wilson(hits, n)


def test_bootstrap_agrees_with_scipy() -> None:
    values = rng(1).normal(3, 2, 200)
    ours = bootstrap_mean(values.tolist(), rng(2), resamples=20000)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20000, rng=rng(3)).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_bootstrap_is_seeded_and_chunks_do_not_show() -> None:
    values = rng(1).normal(size=3000).tolist()
    assert bootstrap_mean(values, rng(5)) == bootstrap_mean(values, rng(5))


def test_clusters_widen_the_interval() -> None:
    """Ten copies of each value are no more evidence than one: the interval is that of the clusters."""
    base = rng(1).normal(size=50).tolist()
    values, clusters = [v for v in base for _ in range(10)], [i for i in range(50) for _ in range(10)]
    alone, grouped = bootstrap_mean(values, rng(2)), bootstrap_mean(values, rng(2), clusters)
    assert grouped == pytest.approx(bootstrap_mean(base, rng(2)))
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_pairing_narrows_the_interval() -> None:
    shared = rng(1).normal(0, 5, 300)
    ours, theirs = (shared + 0.5).tolist(), (shared + rng(2).normal(0, 0.1, 300)).tolist()
    found = paired_bootstrap(ours, theirs, rng(3))
    assert found.low > 0.4
    assert found.high < 0.6


def test_mcnemar_by_hand() -> None:
    """Ten prompts differ, nine one way: p = 2 (C(10,0) + C(10,1)) / 2^10."""
    ours = [True] * 9 + [False] + [True] * 5
    theirs = [False] * 9 + [True] + [True] * 5
    assert mcnemar_exact(ours, theirs) == pytest.approx(2 * 11 / 1024)
    assert mcnemar_exact([True, False], [True, False]) == 1.0


def test_sign_flip_agrees_with_scipy() -> None:
    ours, theirs = rng(1).normal(0.25, 1, 60), rng(2).normal(0, 1, 60)
    exact = stats.permutation_test((ours, theirs), lambda a, b: np.mean(a - b), permutation_type="samples",
                                   n_resamples=20000, rng=rng(3)).pvalue  # fmt: skip
    assert sign_flip(ours.tolist(), theirs.tolist(), rng(4), resamples=20000) == pytest.approx(exact, abs=0.015)


def test_a_permutation_p_is_never_zero() -> None:
    assert sign_flip([1.0] * 50, [0.0] * 50, rng(), resamples=999) == pytest.approx(1 / 1000)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ranked = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


@pytest.mark.parametrize("test", [paired_bootstrap, sign_flip])
def test_pairs_must_match(test: object) -> None:
    with pytest.raises(ValueError, match="pairs are needed"):
        test([1.0], [1.0, 2.0], rng())  # type: ignore[operator]
    with pytest.raises(ValueError, match="no values"):
        test([], [], rng())  # type: ignore[operator]


def test_coverage_of_wilson_at_small_n() -> None:
    """Averaged over p, 95 % intervals hold close to 95 %."""
    n, held = 20, []
    for p in np.linspace(0.05, 0.95, 37):
        chance = [stats.binom.pmf(k, n, p) for k in range(n + 1)]
        held.append(sum(c for k, c in enumerate(chance) if wilson(k, n).low <= p <= wilson(k, n).high))
    assert math.isclose(float(np.mean(held)), 0.95, abs_tol=0.01)
