"""Rewards and advantages of reinforcement learning from a reward model: pure functions of tensors.

Shapes: every argument is [rows, tokens] over the tokens of the completions unless it says otherwise; `mask` is 1 on the
tokens that were sampled, its end-of-turn among them, and 0 after.
"""

from __future__ import annotations

from typing import Any


def token_rewards(logps: Any, reference: Any, scores: Any, mask: Any, *, beta: float) -> Any:
    """-beta (log pi - log ref) at every token, and the score [rows] on top at the last one.

    The penalised reward of Ziegler et al. 2019 (arXiv 1909.08593), section 2, and Stiennon et al. 2020 (arXiv
    2009.01325), with the divergence estimated token by token.
    """
    import torch

    rewards = -beta * (logps - reference) * mask
    last = (mask.long().sum(-1) - 1).clamp(min=0)
    return rewards + torch.zeros_like(rewards).scatter(-1, last[:, None], scores[:, None].to(rewards)) * mask


def generalised_advantages(rewards: Any, values: Any, mask: Any, *, gamma: float, lam: float) -> tuple[Any, Any]:
    """Advantages and returns, both 0 outside the mask.

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lam A_{t+1}; the return is A_t + V_t.  Equation 16 of
    Schulman et al. 2016 (arXiv 1506.02438); the value after the last token is 0.
    """
    import torch

    kept = mask.to(values.dtype)
    later_advantage, later_value = torch.zeros_like(values[:, 0]), torch.zeros_like(values[:, 0])
    found = []
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * later_value - values[:, t]
        later_advantage = (delta + gamma * lam * later_advantage) * kept[:, t]
        later_value = values[:, t] * kept[:, t]
        found.append(later_advantage)
    advantages = torch.stack(found[::-1], dim=1)
    return advantages, (advantages + values) * kept


def masked_mean(values: Any, mask: Any) -> Any:
    """The mean over the tokens of the mask, a scalar; 0 where the mask is empty."""
    kept = mask.to(values.dtype)
    return (values * kept).sum() / kept.sum().clamp(min=1)


def whiten(values: Any, mask: Any, *, shift: bool = True) -> Any:
    """Variance one over the mask, and mean zero unless `shift` is off; 0 outside the mask."""
    mean = masked_mean(values, mask)
    deviation = (masked_mean((values - mean).square(), mask) + 1e-8).sqrt()
    whitened = (values - mean) / deviation
    return (whitened if shift else whitened + mean) * mask.to(values.dtype)
