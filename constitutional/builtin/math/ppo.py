"""Proximal policy optimisation: its two clipped losses, and what holds the policy near its reference.

Shapes: every argument is [rows, tokens] unless it says otherwise; losses are scalars, the mean over the mask's tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

from constitutional.builtin.math.gae import masked_mean


def clipped_surrogate(logps: Any, old_logps: Any, advantages: Any, mask: Any, *, clip: float) -> tuple[Any, Any]:
    """The policy's loss and the share of tokens where the clip took hold.

    max(-A rho, -A clip(rho, 1 - eps, 1 + eps)) with rho = pi / pi_old: equation 7 of Schulman et al. 2017 (arXiv
    1707.06347), negated.
    """
    import torch

    ratio = (logps - old_logps).exp()
    free = -advantages * ratio
    held = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(free, held), mask), masked_mean((held > free).to(ratio.dtype), mask)


def clipped_value_loss(values: Any, old_values: Any, returns: Any, mask: Any, *, clip: float) -> tuple[Any, Any]:
    """The value function's loss and the share of tokens where the clip took hold.

    One half of max((V - R)^2, (V_clipped - R)^2), where V moves no further than `clip` from what it was at the rollout.
    """
    import torch

    held = old_values + (values - old_values).clamp(-clip, clip)
    free_error, held_error = (values - returns).square(), (held - returns).square()
    loss = 0.5 * masked_mean(torch.maximum(free_error, held_error), mask)
    return loss, masked_mean((held_error > free_error).to(values.dtype), mask)


def divergence(logps: Any, other: Any, mask: Any) -> Any:
    """KL of the sampled policy from another per row, [rows]: the sum over tokens of log pi - log other, unbiased."""
    return ((logps - other) * mask).sum(-1)


def small_divergence(logps: Any, other: Any, mask: Any) -> Any:
    """Mean KL a token, never negative: q/p - 1 - log(q/p) (k3 of Schulman 2020), with `logps` those that were sampled."""
    ratio = other - logps
    return masked_mean(ratio.exp() - 1 - ratio, mask)


def entropy(logs: Any) -> Any:
    """Entropy in nats of each next-token distribution, given as log-probabilities: [..., vocabulary] -> [...]."""
    return -(logs.exp() * logs).sum(-1)


def adapted(beta: float, kl: float, target: float, *, rate: float = 0.1) -> float:
    """The next coefficient: beta (1 + rate clip(kl / target - 1, -0.2, 0.2)); Ziegler et al. 2019, section 2.2."""
    return beta * (1 + rate * max(-0.2, min(0.2, kl / target - 1)))


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and variance of all numbers seen so far, updated a batch at a time (Chan et al. 1979)."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def with_batch(self, values: list[float]) -> Moments:
        if not values:
            return self
        mean = sum(values) / len(values)
        squares = sum((value - mean) ** 2 for value in values)
        count = self.count + len(values)
        apart = mean - self.mean
        return Moments(
            count,
            self.mean + apart * len(values) / count,
            self.squares + squares + apart**2 * self.count * len(values) / count,
        )

    @property
    def deviation(self) -> float:
        """The sample standard deviation; 1 before there are two numbers that differ."""
        return sqrt(self.squares / (self.count - 1)) if self.count > 1 and self.squares > 0 else 1.0

    def standardised(self, value: float) -> float:
        return (value - self.mean) / self.deviation
