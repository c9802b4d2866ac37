"""Losses against values worked out by hand; tests/trainers holds them against TRL's own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math import losses


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_bradley_terry_of_a_certain_label_is_minus_log_sigma_of_the_difference() -> None:
    assert float(losses.bradley_terry(t(2.0), t(0.5), t(1.0))) == pytest.approx(-math.log(sigma(1.5)))


def test_bradley_terry_of_equal_rewards_is_log_two_whatever_the_label() -> None:
    assert float(losses.bradley_terry(t(1.0, 1.0), t(1.0, 1.0), t(1.0, 0.6))) == pytest.approx(math.log(2))


@given(st.floats(-8, 8), st.floats(0, 1))
def test_a_soft_label_adds_its_doubt_times_the_difference(d: float, p: float) -> None:
    hard = float(losses.bradley_terry(t(d), t(0.0), t(1.0)))
    assert float(losses.bradley_terry(t(d), t(0.0), t(p))) == pytest.approx(hard + (1 - p) * d, abs=1e-9)


@given(st.floats(0.02, 0.98))
def test_a_soft_label_is_met_best_where_sigma_of_the_difference_is_the_label(p: float) -> None:
    d = torch.tensor([math.log(p / (1 - p))], dtype=torch.float64, requires_grad=True)
    losses.bradley_terry(d, t(0.0), t(p)).backward()
    assert float(d.grad) == pytest.approx(0, abs=1e-9)  # type: ignore[arg-type]


def test_centring_adds_the_square_of_the_sum() -> None:
    plain = float(losses.bradley_terry(t(2.0), t(1.0), t(1.0)))
    assert float(losses.bradley_terry(t(2.0), t(1.0), t(1.0), centring=0.1)) == pytest.approx(plain + 0.1 * 9)


def test_dpo_by_hand() -> None:
    found = losses.dpo(t(-10.0), t(-12.0), t(-11.0), t(-11.5), t(1.0), beta=0.5)
    assert float(found) == pytest.approx(-math.log(sigma(0.5 * ((-10 + 11) - (-12 + 11.5)))))


def test_dpo_of_a_soft_label_by_hand() -> None:
    h = 0.5 * 1.5
    found = losses.dpo(t(-10.0), t(-12.0), t(-11.0), t(-11.5), t(0.7), beta=0.5)
    assert float(found) == pytest.approx(-0.7 * math.log(sigma(h)) - 0.3 * math.log(sigma(-h)))


def test_dpo_is_the_mean_over_pairs() -> None:
    both = losses.dpo(t(-1.0, -4.0), t(-2.0, -3.0), t(-1.5, -3.5), t(-1.5, -3.5), t(1.0, 0.6), beta=0.1)
    one = [
        losses.dpo(t(-1.0), t(-2.0), t(-1.5), t(-1.5), t(1.0), beta=0.1),
        losses.dpo(t(-4.0), t(-3.0), t(-3.5), t(-3.5), t(0.6), beta=0.1),
    ]
    assert float(both) == pytest.approx(float(sum(one)) / 2)


def test_ipo_by_hand() -> None:
    assert float(losses.ipo(t(-1.0), t(-2.0), t(-1.5), t(-1.0), t(1.0), beta=0.1)) == pytest.approx((1.5 - 5) ** 2)


def test_ipo_of_a_coin_toss_wants_no_difference() -> None:
    assert float(losses.ipo(t(-1.0), t(-1.0), t(-2.0), t(-2.0), t(0.5), beta=0.1)) == 0


def test_hinge_by_hand() -> None:
    found = losses.hinge(t(-1.0), t(-2.0), t(-1.0), t(-1.0), t(0.75), beta=0.5)
    assert float(found) == pytest.approx(0.75 * 0.5 + 0.25 * 1.5)


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_large_differences_give_finite_losses_and_gradients(size: float) -> None:
    d = torch.tensor([-size, size], requires_grad=True)
    loss = losses.bradley_terry(d, torch.zeros(2), torch.tensor([1.0, 0.9]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(d.grad).all()  # type: ignore[union-attr]


def test_log_probabilities_are_of_the_answers_tokens_alone() -> None:
    logits = torch.tensor([[[0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [0.5, 0.5, 0.0], [9.0, 9.0, 9.0]]])
    ids, answer = torch.tensor([[2, 1, 0, 2]]), torch.tensor([[0, 0, 1, 1]])
    logs = torch.log_softmax(logits, -1)
    expected = float(logs[0, 1, 0] + logs[0, 2, 2])
    assert float(losses.completion_logps(logits, ids, answer)) == pytest.approx(expected)
    assert float(losses.completion_logps(logits, ids, answer, mean=True)) == pytest.approx(expected / 2)


def test_padding_changes_no_log_probability() -> None:
    torch.manual_seed(0)
    logits, ids = torch.randn(1, 6, 5), torch.randint(0, 5, (1, 6))
    answer = torch.tensor([[0, 0, 1, 1, 0, 0]])
    short = losses.completion_logps(logits[:, :4], ids[:, :4], answer[:, :4])
    assert torch.allclose(losses.completion_logps(logits, ids, answer), short)


def test_robust_dpo_by_hand() -> None:
    h, e = 0.5 * 1.5, 0.2
    expected = ((1 - e) * -math.log(sigma(h)) - e * -math.log(sigma(-h))) / (1 - 2 * e)
    assert float(losses.robust(t(-10.0), t(-12.0), t(-11.0), t(-11.5), t(1.0), beta=0.5, flip_rate=e)) == pytest.approx(
        expected
    )


@given(st.floats(-4, 4), st.floats(0, 0.45))
def test_the_robust_loss_is_on_average_the_loss_of_the_true_label(h: float, e: float) -> None:
    """The mean over a label that is flipped at the rate is DPO's loss of the label that is not."""
    right, wrong = (float(losses.robust(t(x), t(0.0), t(0.0), t(0.0), t(1.0), beta=1.0, flip_rate=e)) for x in (h, -h))
    clean = float(losses.dpo(t(h), t(0.0), t(0.0), t(0.0), t(1.0), beta=1.0))
    assert (1 - e) * right + e * wrong == pytest.approx(clean, abs=1e-9)


def test_orpo_by_hand() -> None:
    p, q = 0.6, 0.2
    odds = math.log(p / (1 - p)) - math.log(q / (1 - q))
    found = losses.orpo(t(math.log(p)), t(math.log(q)), t(1.0), weight=0.25)
    assert float(found) == pytest.approx(-math.log(p) - 0.25 * math.log(sigma(odds)))


def test_a_soft_label_of_orpo_weighs_both_directions() -> None:
    p, q = 0.6, 0.2
    odds = math.log(p / (1 - p)) - math.log(q / (1 - q))
    found = losses.orpo(t(math.log(p)), t(math.log(q)), t(0.7), weight=1.0)
    expected = -math.log(p) - 0.7 * math.log(sigma(odds)) - 0.3 * math.log(sigma(-odds))
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("logp", [0.0, -1e-9, -0.5, -0.6931, -0.7, -50.0, -1e6])
def test_log_odds_are_finite_at_both_ends(logp: float) -> None:
    x = torch.tensor([logp], requires_grad=True)
    found = losses.log_odds(x)
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(x.grad).all()  # type: ignore[union-attr]
    if -50 < logp < -0.01:
        assert found.item() == pytest.approx(math.log(math.exp(logp) / (1 - math.exp(logp))), rel=1e-4, abs=1e-4)
