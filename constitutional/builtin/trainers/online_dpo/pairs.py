"""From scored answers to pairs: which is chosen, which rejected, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constitutional.builtin.math.probability import sigmoid
from constitutional.builtin.trainers.online_dpo.params import OnlineDpoParams
from constitutional.builtin.trainers.rounds.rollout import Sample


@dataclass(frozen=True, slots=True)
class Chosen:
    """Two answers to one prompt by their places in the round, and the probability that the first is the better one."""

    chosen: int
    rejected: int
    p_chosen: float
    margin: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """What a round teaches, and how many prompts teach nothing: ties, and those with fewer than two scores."""

    pairs: tuple[Chosen, ...]
    ties: int
    unpaired: int


def paired(samples: Sequence[Sample], params: OnlineDpoParams) -> Pairs:
    """The best and the worst answer to each prompt, whose `group_size` answers stand beside each other.

    An answer without a score is neither.  Scores within `tie_margin`, and answers that are the same token by token, are a
    tie.  Among equal scores the earlier answer stands for all.
    """
    pairs, ties, unpaired = list[Chosen](), 0, 0
    for start in range(0, len(samples), params.group_size):
        places = range(start, start + params.group_size)
        scores = {place: score for place in places if (score := penalised(samples[place], params)) is not None}
        if len(scores) < 2:
            unpaired += 1
            continue
        best, worst = max(scores, key=lambda place: scores[place]), min(scores, key=lambda place: scores[place])
        margin = scores[best] - scores[worst]
        if margin <= params.tie_margin or samples[best].completion == samples[worst].completion:
            ties += 1
        else:
            pairs.append(Chosen(best, worst, probability(margin, params), margin))
    return Pairs(tuple(pairs), ties, unpaired)


def penalised(sample: Sample, params: OnlineDpoParams) -> float | None:
    """The score, less where an answer did not end by itself; None where it is missing."""
    value = sample.scored.value
    return value if value is None or sample.ended else value - (params.missing_eos_penalty or 0.0)


def probability(margin: float, params: OnlineDpoParams) -> float:
    """The probability that the answer whose score is `margin` higher is the better one: Bradley and Terry 1952 where
    labels are soft, and then smoothed."""
    p = 1.0 if params.label_temperature is None else sigmoid(margin / params.label_temperature)
    return (1 - params.label_smoothing) * p + params.label_smoothing * (1 - p)
