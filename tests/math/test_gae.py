"""Rewards and advantages against values worked out by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math import gae


def t(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_score_is_added_at_the_last_token_and_the_penalty_at_each() -> None:
    found = gae.token_rewards(t([-1.0, -2.0, -9.0]), t([-1.5, -1.0, 0.0]), torch.tensor([3.0]), t([1, 1, 0]), beta=0.1)
    assert found.tolist()[0] == pytest.approx([-0.05, 0.1 + 3.0, 0.0])


def test_rows_of_different_lengths_get_their_score_at_their_own_end() -> None:
    zeros = torch.zeros(2, 3)
    found = gae.token_rewards(zeros, zeros, torch.tensor([1.0, 2.0]), torch.tensor([[1, 0, 0], [1, 1, 1]]), beta=0.1)
    assert found.tolist() == [[1, 0, 0], [0, 0, 2]]


def test_a_row_outside_the_mask_gets_no_reward() -> None:
    ones = torch.ones(1, 2)
    assert gae.token_rewards(ones, 0 * ones, torch.tensor([5.0]), 0 * ones, beta=0.1).tolist() == [[0, 0]]


def test_advantages_by_hand() -> None:
    rewards, values, mask = t([1.0, 0.0, 2.0]), t([0.5, 0.25, 1.0]), t([1, 1, 1])
    advantages, returns = gae.generalised_advantages(rewards, values, mask, gamma=0.9, lam=0.5)
    third = 2.0 - 1.0
    second = (0.0 + 0.9 * 1.0 - 0.25) + 0.45 * third
    first = (1.0 + 0.9 * 0.25 - 0.5) + 0.45 * second
    assert advantages.tolist()[0] == pytest.approx([first, second, third])
    assert returns.tolist()[0] == pytest.approx([first + 0.5, second + 0.25, third + 1.0])


def test_nothing_flows_back_from_padding() -> None:
    rewards, values = t([1.0, 2.0, 7.0, 7.0]), t([0.5, 0.5, 9.0, 9.0])
    padded = gae.generalised_advantages(rewards, values, t([1, 1, 0, 0]), gamma=1.0, lam=0.95)
    short = gae.generalised_advantages(rewards[:, :2], values[:, :2], t([1, 1]), gamma=1.0, lam=0.95)
    for long, other in zip(padded, short, strict=True):
        assert long[:, :2].tolist() == other.tolist()
        assert long[:, 2:].abs().sum() == 0


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.floats(0.1, 1.0))
def test_lambda_one_gives_the_discounted_return_minus_the_value(rewards: list[float], gamma: float) -> None:
    values = torch.linspace(-1, 1, len(rewards), dtype=torch.float64)[None]
    advantages, returns = gae.generalised_advantages(t(rewards), values, torch.ones_like(values), gamma=gamma, lam=1.0)
    total = sum(gamma**i * reward for i, reward in enumerate(rewards))
    assert float(returns[0, 0]) == pytest.approx(total, abs=1e-9)
    assert float(advantages[0, 0]) == pytest.approx(total - float(values[0, 0]), abs=1e-9)


def test_lambda_zero_looks_one_step_ahead() -> None:
    advantages, _ = gae.generalised_advantages(t([1.0, 1.0]), t([0.5, 2.0]), t([1, 1]), gamma=1.0, lam=0.0)
    assert advantages.tolist()[0] == pytest.approx([1 + 2.0 - 0.5, 1 - 2.0])


def test_whitening_is_over_the_mask_alone() -> None:
    whitened = gae.whiten(t([1.0, 3.0, 100.0]), t([1, 1, 0]))
    assert whitened.tolist()[0] == pytest.approx([-1, 1, 0])
    kept = gae.whiten(t([1.0, 3.0, 100.0]), t([1, 1, 0]), shift=False)
    assert kept.tolist()[0] == pytest.approx([1, 3, 0])


def test_values_that_are_all_alike_whiten_to_nothing() -> None:
    assert gae.whiten(t([2.0, 2.0]), t([1, 1])).tolist() == [[0, 0]]


def test_the_mean_over_an_empty_mask_is_zero_and_not_undefined() -> None:
    assert float(gae.masked_mean(t([1.0, 2.0]), t([0, 0]))) == 0
