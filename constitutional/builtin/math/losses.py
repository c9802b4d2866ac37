"""Losses: pure functions of tensors, named as in the papers.

Shapes: every argument is [pairs] unless it says otherwise; every loss is a scalar, the mean over the pairs.
"""

from __future__ import annotations

from typing import Any


def bradley_terry(chosen: Any, rejected: Any, p_chosen: Any, *, centring: float = 0.0) -> Any:
    """Cross-entropy of a reward model against the probability that `chosen` is the better answer.

    -[p log sigma(d) + (1 - p) log sigma(-d)] with d = r_chosen - r_rejected; p = 1 is the Bradley-Terry loss of Ouyang
    et al. 2022 (arXiv 2203.02155), 0 < p < 1 the soft labels of Lee et al. 2023 (arXiv 2309.00267), section 3.1.
    `centring` adds c (r_chosen + r_rejected)^2 (Eisenstein et al. 2023, arXiv 2312.09244).
    """
    loss = cross_entropy(chosen - rejected, p_chosen)
    if centring:
        loss = loss + centring * (chosen + rejected).square()
    return loss.mean()


def dpo(
    policy_chosen: Any,
    policy_rejected: Any,
    reference_chosen: Any,
    reference_rejected: Any,
    p_chosen: Any,
    *,
    beta: float,
) -> Any:
    """Direct preference optimisation with a probability per pair.

    -[p log sigma(h) + (1 - p) log sigma(-h)] with h = beta [(log pi - log ref)(chosen) - (log pi - log ref)(rejected)];
    p = 1 is equation 7 of Rafailov et al. 2023 (arXiv 2305.18290), 0 < p < 1 the conservative form of Mitchell 2023.
    Log-probabilities are sums over the tokens of the completion.
    """
    ratio = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return cross_entropy(beta * ratio, p_chosen).mean()


def ipo(
    policy_chosen: Any,
    policy_rejected: Any,
    reference_chosen: Any,
    reference_rejected: Any,
    p_chosen: Any,
    *,
    beta: float,
) -> Any:
    """Identity preference optimisation: (ratio - (2 p - 1) / (2 beta))^2.

    Equation 17 of Azar et al. 2024 (arXiv 2310.12036) for p = 1; with a probability per pair the regression target is
    its expectation.  Log-probabilities are means over the tokens of the completion.
    """
    ratio = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    return (ratio - (2 * p_chosen - 1) / (2 * beta)).square().mean()


def hinge(
    policy_chosen: Any,
    policy_rejected: Any,
    reference_chosen: Any,
    reference_rejected: Any,
    p_chosen: Any,
    *,
    beta: float,
) -> Any:
    """p max(0, 1 - h) + (1 - p) max(0, 1 + h): SLiC's hinge on DPO's log-ratio (Liu et al. 2024, arXiv 2309.06657)."""
    import torch

    h = beta * ((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected))
    return (p_chosen * torch.relu(1 - h) + (1 - p_chosen) * torch.relu(1 + h)).mean()


def robust(
    policy_chosen: Any,
    policy_rejected: Any,
    reference_chosen: Any,
    reference_rejected: Any,
    p_chosen: Any,
    *,
    beta: float,
    flip_rate: float,
) -> Any:
    """DPO's loss without the bias of labels that are wrong at a known rate, whichever they are.

    ((1 - e) l(h) - e l(-h)) / (1 - 2 e) with l(h) = -log sigma(h) and e the rate of flipped labels, below one half;
    equation 12 of Chowdhury et al. 2024 (arXiv 2403.00409) for p = 1.  A probability per pair weighs both directions.
    """
    ratio = (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)
    h = beta * ratio
    right, wrong = cross_entropy(h, p_chosen), cross_entropy(-h, p_chosen)
    return (((1 - flip_rate) * right - flip_rate * wrong) / (1 - 2 * flip_rate)).mean()


def orpo(chosen: Any, rejected: Any, p_chosen: Any, *, weight: float) -> Any:
    """Odds-ratio preference optimisation with a probability per pair.

    -log P(chosen) + weight * -[p log sigma(d) + (1 - p) log sigma(-d)] with d = log odds(chosen) - log odds(rejected)
    and odds(y) = P(y) / (1 - P(y)); equations 6 and 7 of Hong et al. 2024 (arXiv 2403.07691) for p = 1.  P is the
    geometric mean over the tokens of the completion, so that `chosen` and `rejected` are mean log-probabilities.
    """
    return (-chosen + weight * cross_entropy(log_odds(chosen) - log_odds(rejected), p_chosen)).mean()


def log_odds(logp: Any) -> Any:
    """log(p / (1 - p)) of a log-probability at most 0, stable near both ends."""
    import torch

    held = logp.clamp(max=-1e-6)
    near_one = torch.log(-torch.expm1(held))
    far_from_one = torch.log1p(-held.exp())
    return held - torch.where(held > -0.693, near_one, far_from_one)


def cross_entropy(logit: Any, p: Any) -> Any:
    """-[p log sigma(logit) + (1 - p) log sigma(-logit)], element by element, stable for large logits."""
    from torch.nn.functional import logsigmoid

    return -(p * logsigmoid(logit) + (1 - p) * logsigmoid(-logit))


def completion_logps(logits: Any, ids: Any, completion: Any, *, mean: bool = False) -> Any:
    """Log-probability of each row's completion, [rows].

    `logits` is [rows, tokens, vocabulary], `ids` and `completion` (1 on the completion's tokens) are [rows, tokens].
    """
    import torch

    kept = completion[:, 1:].bool()
    before = logits[:, :-1][kept].float()  # the vocabulary is what takes memory: none of it for prompts and padding
    said = before.gather(-1, ids[:, 1:][kept][:, None])[:, 0] - before.logsumexp(-1)
    total = torch.zeros(kept.shape, dtype=said.dtype, device=said.device).masked_scatter(kept, said).sum(-1)
    return total / kept.sum(-1).clamp(min=1) if mean else total
