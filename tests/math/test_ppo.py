"""PPO's losses against values worked out by hand."""

from __future__ import annotations

import math
from statistics import fmean, stdev

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math import ppo
from constitutional.builtin.math.ppo import Moments


def t(*values: float) -> torch.Tensor:
    return torch.tensor([list(values)], dtype=torch.float64)


def test_without_a_change_the_surrogate_is_minus_the_mean_advantage() -> None:
    loss, clipped = ppo.clipped_surrogate(t(-1, -2), t(-1, -2), t(3, 1), t(1, 1), clip=0.2)
    assert (float(loss), float(clipped)) == (-2, 0)


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected", "clipped"),
    [(1.5, 1.0, -1.2, 1), (1.5, -1.0, 1.5, 0), (0.5, 1.0, -0.5, 0), (0.5, -1.0, 0.8, 1), (1.1, 2.0, -2.2, 0)],
)
def test_the_clip_takes_hold_where_it_would_pay_to_go_on(
    ratio: float, advantage: float, expected: float, clipped: int
) -> None:
    loss, share = ppo.clipped_surrogate(t(math.log(ratio)), t(0.0), t(advantage), t(1), clip=0.2)
    assert float(loss) == pytest.approx(expected)
    assert float(share) == clipped


def test_a_clipped_token_gives_no_gradient_and_padding_neither() -> None:
    logps = t(math.log(1.5), 0.0, 0.0).requires_grad_()
    ppo.clipped_surrogate(logps, t(0, 0, 0), t(1, 1, 1), t(1, 1, 0), clip=0.2)[0].backward()
    assert logps.grad is not None
    assert logps.grad.tolist()[0] == pytest.approx([0, -0.5, 0])


def test_the_value_loss_by_hand() -> None:
    loss, clipped = ppo.clipped_value_loss(t(1.0, 0.1), t(0.0, 0.0), t(1.0, 1.0), t(1, 1), clip=0.2)
    assert float(loss) == pytest.approx(0.5 * (0.8**2 + 0.9**2) / 2)
    assert float(clipped) == 0.5


def test_divergence_is_a_sum_over_the_completions_tokens() -> None:
    assert ppo.divergence(t(-1, -2, -3), t(-2, -2.5, 0), t(1, 1, 0)).tolist() == [1.5]


@given(st.lists(st.floats(-5, 0), min_size=1, max_size=5), st.lists(st.floats(-5, 0), min_size=5, max_size=5))
def test_the_small_divergence_is_never_negative(one: list[float], other: list[float]) -> None:
    ones = t(*[1.0] * len(one))
    assert float(ppo.small_divergence(t(*one), t(*other[: len(one)]), ones)) >= -1e-12
    assert float(ppo.small_divergence(t(*one), t(*one), ones)) == 0


def test_the_small_divergence_estimates_the_divergence() -> None:
    torch.manual_seed(0)
    p, q = torch.log_softmax(torch.randn(2, 6, dtype=torch.float64), -1)
    exact = float((p.exp() * (p - q)).sum())
    drawn = torch.multinomial(p.exp(), 200_000, replacement=True)[None]
    assert float(ppo.small_divergence(p[drawn], q[drawn], torch.ones_like(drawn))) == pytest.approx(exact, rel=0.02)


def test_entropy_of_a_uniform_choice_is_the_log_of_their_number() -> None:
    assert float(ppo.entropy(torch.zeros(1, 8).log_softmax(-1))) == pytest.approx(math.log(8))
    assert float(ppo.entropy(torch.tensor([[0.0, 100.0]]).log_softmax(-1))) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("kl", "expected"), [(6.0, 0.1), (6.6, 0.101), (60.0, 0.102), (0.0, 0.098), (-5.0, 0.098)])
def test_the_coefficient_adapts_by_two_percent_at_most(kl: float, expected: float) -> None:
    assert ppo.adapted(0.1, kl, 6.0, rate=0.1) == pytest.approx(expected)


@given(st.lists(st.lists(st.floats(-100, 100), max_size=5), min_size=1, max_size=5))
def test_moments_of_batches_are_those_of_all_numbers(batches: list[list[float]]) -> None:
    moments = Moments()
    for batch in batches:
        moments = moments.with_batch(batch)
    numbers = [number for batch in batches for number in batch]
    assert moments.count == len(numbers)
    if numbers:
        assert moments.mean == pytest.approx(fmean(numbers), abs=1e-9)
    if len(numbers) > 1 and stdev(numbers) > 1e-6:
        assert moments.deviation == pytest.approx(stdev(numbers), rel=1e-6)


def test_one_number_has_no_deviation() -> None:
    assert Moments().with_batch([3.0]).standardised(5.0) == 2.0
