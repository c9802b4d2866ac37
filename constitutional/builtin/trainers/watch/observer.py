"""Asking a policy the held-out prompts, and measuring what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any

from constitutional.api import Messages, Request, assistant, row_seed
from constitutional.builtin.backends import sampling
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math.drift import divergence, look, repetition
from constitutional.builtin.math.ppo import entropy
from constitutional.builtin.rewards.contract import Scorer
from constitutional.builtin.trainers.tokens import Asked
from constitutional.builtin.trainers.watch.measurement import Column, Measurement

PATH = "trainer/watch"
#: Answers that are made at once.
TOGETHER = 32


@dataclass(frozen=True, slots=True)
class Rewards:
    """The reward that is learned from, the gold one, and the members of each ensemble within the former."""

    proxy: Scorer
    gold: Scorer | None = None
    ensembles: Sequence[Sequence[Scorer]] = ()


@dataclass(frozen=True, slots=True)
class Models:
    """The policy, and the reference's logits: [1, tokens] ids and how many at the end to [1, that many + 1, vocabulary]."""

    policy: Any
    reference: Callable[[Any, int], Any]


@dataclass(frozen=True, slots=True)
class Observer:
    """Measures a policy.

    Every prompt keeps one stream of random numbers for all measurements, so that two of them differ by the policy alone;
    the training's own random numbers are not touched.
    """

    models: Models
    encoder: DialogueEncoder
    pad: int
    ends: frozenset[int]
    prompts: Sequence[Asked]
    rewards: Rewards
    max_new_tokens: int
    temperature: float
    seed: int

    def measure(self, step: int) -> Measurement:
        """Answer every prompt, compare with the reference, score."""
        policy = self.models.policy
        trained = policy.training
        policy.eval()
        try:
            rows, texts = self._answers()
            read = [self._read(row) for row in rows]
        finally:
            policy.train(trained)
        columns: dict[str, Column] = {
            "kl": tuple(kl for kl, _ in read), "entropy": tuple(one for _, one in read),
            "length": tuple(float(len(row.made)) for row in rows),
            "ended": tuple(float(row.finished == "stop") for row in rows),
            "repetition": tuple(repetition(text) for text in texts),
        }  # fmt: skip
        looks = [look(text) for text in texts]
        columns |= {name: tuple(float(one[name]) for one in looks) for name in looks[0]}
        dialogues = [(*row.prompt, assistant(text)) for (row, _), text in zip(self.prompts, texts, strict=True)]
        return Measurement(step, columns | self._scores(dialogues))

    def _answers(self) -> tuple[list[sampling.Row], list[str]]:
        rows = [
            sampling.Row(Request(row.prompt, self.max_new_tokens, self.temperature, seed=row_seed(self.seed, PATH, row.row_id)),
                         list(ids))
            for row, ids in self.prompts
        ]  # fmt: skip
        texts: list[str] = []
        for start in range(0, len(rows), TOGETHER):
            said = sampling.generate(self.models.policy, self.encoder, rows[start : start + TOGETHER], pad=self.pad,
                                     ends=self.ends)  # fmt: skip
            texts += [one.text for one in said]
        return rows, texts

    def _read(self, row: sampling.Row) -> tuple[float, float]:
        """KL(policy || reference) of one answer, summed over its tokens, and the mean entropy of a token.

        `row.ids` is the prompt alone: a row that was answered holds what it made apart.
        """
        import torch

        policy, width = self.models.policy, len(row.made)
        ids = torch.tensor([[*row.ids, *row.made]], device=policy.device)
        with torch.inference_mode():
            ours = policy(input_ids=ids, use_cache=False, logits_to_keep=width + 1).logits
            theirs = self.models.reference(ids, width + 1)
            ours, theirs = (one[0, -width - 1 : -1].float() / self.temperature for one in (ours, theirs))
            return float(divergence(ours, theirs).sum()), float(entropy(ours.log_softmax(-1)).mean())

    def _scores(self, dialogues: Sequence[Messages]) -> dict[str, Column]:
        found = {"proxy": tuple(one.value for one in self.rewards.proxy.score(dialogues))}
        if self.rewards.gold is not None:
            found["gold"] = tuple(one.value for one in self.rewards.gold.score(dialogues))
        if self.rewards.ensembles:
            apart = [_disagreement(members, dialogues) for members in self.rewards.ensembles]
            found["disagreement"] = tuple(_mean(row) for row in zip(*apart, strict=True))
        return found


def _disagreement(members: Sequence[Scorer], dialogues: Sequence[Messages]) -> Column:
    """The deviation between the members' scores of each dialogue; None where one of them has none."""
    scores = zip(*(member.score(dialogues) for member in members), strict=True)
    found: list[float | None] = []
    for row in scores:
        values = [one.value for one in row if one.value is not None]
        found.append(pstdev(values) if len(values) == len(row) else None)
    return tuple(found)


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if len(there) == len(values) else None
