"""From scored samples to what the update learns from: penalised rewards, advantages and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.builtin.math import gae, ppo
from constitutional.builtin.trainers.ppo.actor import Actor
from constitutional.builtin.trainers.ppo.params import PpoParams
from constitutional.builtin.trainers.rounds.policy import Batch
from constitutional.builtin.trainers.rounds.rollout import Sample, batched, figures_of


@dataclass(frozen=True, slots=True)
class Experience:
    """A rollout as the update takes it: tensors [rows, completion], and figures.

    `mask` is 0 throughout a row whose score is missing: it teaches nothing.
    """

    batch: Batch
    mask: Any
    logps: Any
    values: Any
    advantages: Any
    returns: Any
    figures: dict[str, float]


def experience(
    samples: Sequence[Sample], actor: Actor, params: PpoParams, pad: int, beta: float, moments: ppo.Moments
) -> tuple[Experience, ppo.Moments]:
    """Read a rollout with policy, value function and reference; also the moments with its scores among them."""
    import torch

    device = actor.policy.device
    scores, moments = shaped([(one.scored.value, one.ended) for one in samples], params, moments)
    batch = batched(samples, pad, device)
    logps, reference, values = _read(actor, batch, params)
    kept = torch.tensor([one.scored.value is not None for one in samples], device=device)
    mask = batch.mask * kept[:, None]
    rewards = gae.token_rewards(logps, reference, torch.tensor(scores, device=device), mask, beta=beta)
    if params.whiten_rewards:
        rewards = gae.whiten(rewards, mask, shift=False)
    advantages, returns = gae.generalised_advantages(rewards, values, mask, gamma=params.gamma, lam=params.lam)
    if params.whiten_advantages:
        advantages = gae.whiten(advantages, mask)
    divergence = ppo.divergence(logps, reference, mask)[kept]
    figures = figures_of(samples) | {
        "kl": float(divergence.mean()),
        "kl_per_token": float(gae.masked_mean(logps - reference, mask)),
        "reward": float(rewards.sum(-1)[kept].mean()),
        "beta": beta,
    }
    return Experience(batch, mask, logps, values, advantages, returns, figures), moments


def shaped(
    scores: Sequence[tuple[float | None, bool]], params: PpoParams, moments: ppo.Moments
) -> tuple[list[float], ppo.Moments]:
    """Scores as they enter the reward: standardised, clipped, and less where an answer did not end; 0 where missing,
    which the mask leaves out."""
    moments = moments.with_batch([value for value, _ in scores if value is not None])
    found = []
    for value, ended in scores:
        if value is None:
            found.append(0.0)
            continue
        if params.normalise_scores:
            value = moments.standardised(value)
        if params.clip_scores is not None:
            value = max(-params.clip_scores, min(params.clip_scores, value))
        found.append(value - (params.missing_eos_penalty or 0.0) * (not ended))
    return found, moments


def _read(actor: Actor, batch: Batch, params: PpoParams) -> tuple[Any, Any, Any]:
    import torch

    found = []
    with torch.no_grad():
        for rows in torch.arange(len(batch.ids), device=batch.ids.device).split(params.batch_size):
            part = batch.part(rows)
            reading = actor.valued(part, params.temperature)
            found.append((reading.logps, actor.reference_logps(part, params.temperature), reading.values))
    logps, reference, values = (torch.cat(column) for column in zip(*found, strict=True))
    return logps, reference, values
