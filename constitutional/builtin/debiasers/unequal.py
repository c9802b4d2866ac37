"""Voters of unequal skill: what Dawid and Skene's estimate says of pairs and of those who judged them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from constitutional.api import Json, JsonObject
from constitutional.builtin.debiasers.ballots import Ballot, Standing, side
from constitutional.builtin.math.dawid_skene import dawid_skene
from constitutional.builtin.math.figures import average, generator
from constitutional.builtin.math.statistics import Floats


class Learned(NamedTuple):
    """The probability of each pair's first answer, and how likely each single verdict was right."""

    p_first: dict[str, float]
    #: By voter: the pair, and the probability that the verdict on it was right.
    right: dict[str, list[tuple[str, float]]]


def learned(ballots: Sequence[Ballot], panels: Sequence[Sequence[Standing]]) -> Learned:
    """Estimate pairs and voters together; ballots with an empty panel are left out.

    Each voter has error rates for each order in which the pair was shown.  Which answer of a pair is called the first
    is arbitrary, so every pair counts both ways round: in the other numbering its orders and verdicts are exchanged.
    """
    there = sorted(((ballot, panel) for ballot, panel in zip(ballots, panels, strict=True) if panel),
                   key=lambda each: each[0].pair)  # fmt: skip
    if not there:
        return Learned({}, {})
    names = sorted({voter.voter for _, panel in there for voter in panel})
    counts = _counts(there, {name: index for index, name in enumerate(names)})
    p_first = dawid_skene(counts, mirrored=True).posterior[: len(there), 0]
    right: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
    for (ballot, panel), p in zip(there, p_first.tolist(), strict=True):
        for voter in panel:
            for vote in voter.votes:
                said = side(vote)
                right[voter.voter].append((ballot.pair, said * p + (1 - said) * (1 - p)))
    return Learned({ballot.pair: float(p) for (ballot, _), p in zip(there, p_first, strict=True)}, right)


def voters(found: Learned, seed: int) -> JsonObject:
    """`accuracy` of each voter: how often its single verdicts are right by the estimate, which is taken as given."""
    said: dict[str, Json] = {}
    for name, verdicts in found.right.items():
        pairs, right = [pair for pair, _ in verdicts], [p for _, p in verdicts]
        said[name] = {"accuracy": average(right, generator(seed, "ensemble/voters", name), pairs, unit=True)}
    return said


def _counts(there: Sequence[tuple[Ballot, Sequence[Standing]]], index: dict[str, int]) -> Floats:
    """[2 pairs, 2 voters, 2 classes]: the pairs as they are numbered, then the other way round."""
    n = len(there)
    counts = np.zeros((2 * n, 2 * len(index), 2))
    for row, (_, panel) in enumerate(there):
        for voter in panel:
            for vote in voter.votes:
                said, order = side(vote), int(vote.order == "ba")
                observer = 2 * index[voter.voter]
                counts[row, observer + order] += (said, 1 - said)
                counts[n + row, observer + 1 - order] += (1 - said, said)
    return counts
