"""Rollouts: the policy answers prompts, and the reward scores the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.api import Prompt, Request, assistant, row_random, row_seed
from constitutional.builtin.backends import sampling
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.contract import Missing, Scored, Scorer
from constitutional.builtin.trainers.rounds.params import RoundParams
from constitutional.builtin.trainers.rounds.policy import Batch, Policy

#: A prompt with its tokens.
Asked = tuple[Prompt, list[int]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of the policy: its tokens with the end of the turn, and whether it ended by itself."""

    prompt: list[int]
    completion: list[int]
    ended: bool
    scored: Scored


@dataclass(frozen=True, slots=True)
class Speaker:
    """What it takes to answer and to read answers."""

    encoder: DialogueEncoder
    pad: int
    ends: frozenset[int]


def in_turn(prompts: Sequence[Asked], seed: int, path: str, start: int, count: int) -> Iterator[Asked]:
    """`count` prompts from place `start` of an endless sequence: each pass over all of them in an order of its own."""
    orders: dict[int, list[int]] = {}
    for place in range(start, start + count):
        turn, within = divmod(place, len(prompts))
        if turn not in orders:
            orders[turn] = list(range(len(prompts)))
            row_random(seed, path, f"order {turn}").shuffle(orders[turn])
        yield prompts[orders[turn][within]]


def collect(
    models: Policy, speaker: Speaker, asked: Sequence[Asked], scorer: Scorer, params: RoundParams, seed: int, path: str,
    place: int, missing: Missing,
) -> list[Sample]:  # fmt: skip
    """Answer and score prompts; the randomness of an answer is a function of (seed, path, prompt, place) alone.

    Raises:
        StepFailed: if too many answers have no score.
    """
    rows = [
        sampling.Row(
            Request(row.prompt, params.max_new_tokens, params.temperature,
                    seed=row_seed(seed, path, row.row_id, place + index)), list(ids))
        for index, (row, ids) in enumerate(asked)
    ]  # fmt: skip
    models.sampling()
    with models.computing():
        said = sampling.generate(models.policy, speaker.encoder, rows, pad=speaker.pad, ends=speaker.ends)
    dialogues = [(*row.prompt, assistant(one.text)) for (row, _), one in zip(asked, said, strict=True)]
    scores = scorer.score(dialogues, [row.meta for row, _ in asked])
    missing.check(scores)
    return [
        Sample(ids, row.made, row.finished == "stop", scored)
        for (_, ids), row, scored in zip(asked, rows, scores, strict=True)
    ]


def batched(samples: Sequence[Sample], pad: int, device: Any) -> Batch:
    """Samples as tensors."""
    import torch

    before = max(len(one.prompt) for one in samples)
    after = max(len(one.completion) for one in samples)
    ids = [[pad] * (before - len(s.prompt)) + s.prompt + s.completion + [pad] * (after - len(s.completion))
           for s in samples]  # fmt: skip
    mask = torch.tensor([[1] * len(s.completion) + [0] * (after - len(s.completion)) for s in samples], device=device)
    head = torch.tensor([[0] * (before - len(s.prompt)) + [1] * len(s.prompt) for s in samples], device=device)
    return Batch(torch.tensor(ids, device=device), torch.cat([head, mask], dim=1), mask)


def figures_of(samples: Sequence[Sample]) -> dict[str, float]:
    """What to log of a rollout whatever learns from it; at least one of its answers has a score."""
    scores = [one.scored.value for one in samples if one.scored.value is not None]
    return {
        "score": sum(scores) / len(scores),
        "length": sum(len(one.completion) for one in samples) / len(samples),
        "ended": sum(one.ended for one in samples) / len(samples),
        "unscored": float(len(samples) - len(scores)),
    }
