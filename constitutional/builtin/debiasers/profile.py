"""What rows lean towards: the same figures before and after a debiaser, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from constitutional.api import Json, JsonObject, Preference, Record, Vote
from constitutional.builtin.debiasers.audit import Audit, subject
from constitutional.builtin.debiasers.ballots import TIE
from constitutional.builtin.debiasers.belief import BELIEVING, lead, probability, unit
from constitutional.builtin.math.calibration import brier, calibration_error_interval
from constitutional.builtin.math.figures import Figure, average, figure, generator, nothing, share

UNAUDITED = "nothing here was judged by people: connect `audit`"


def profile(rows: Sequence[Record], audit: Audit, seed: int, label: str) -> JsonObject:
    """`n`, and what the rows of one type lean towards; intervals draw whole pairs.

    Votes: `p_first` (mean probability of the answer shown first), `p_longer` (of the longer answer), `abstained`.
    Preferences: `p_chosen`, `chosen_longer` (among answers of different length), `agreement`.  Scores: `score`, and
    `good` (share of those with a label).  All three: `accuracy`, `brier` and `ece` against people, where they spoke.
    """
    found: dict[str, Json] = {"n": len(rows)}
    believing = sorted((row for row in rows if isinstance(row, BELIEVING)), key=lambda row: row.row_id)
    return {**found, **_leaning(believing, seed, label), **against_people(believing, audit, seed, label)}


def _leaning(rows: Sequence[Any], seed: int, label: str) -> dict[str, Json]:
    if not rows:
        return {}
    if isinstance(rows[0], Vote):
        said = [row for row in rows if probability(row) is not None]
        silent = {"abstained": len(rows) - len(said)}
        longer = [_towards_longer(row) for row in said if lead(row)]
        return {
            "p_first": _mean(said, [row.p_first for row in said], seed, f"{label}/p_first"),
            "p_longer": _mean([row for row in said if lead(row)], longer, seed, f"{label}/p_longer"),
            **silent,
        }
    if isinstance(rows[0], Preference):
        uneven = [row for row in rows if lead(row)]
        agreed = [row for row in rows if row.agreement is not None]
        hits = [_longer(row) for row in uneven]
        return {
            "p_chosen": _mean(rows, [row.p_chosen for row in rows], seed, f"{label}/p_chosen"),
            "chosen_longer": share(hits, generator(seed, label, "chosen_longer"), [unit(row) for row in uneven]),
            "agreement": _mean(agreed, [row.agreement for row in agreed], seed, f"{label}/agreement"),
        }
    labelled = [row for row in rows if row.label is not None]
    good = [bool(row.label) for row in labelled]
    return {
        "score": _mean(rows, [row.score for row in rows], seed, f"{label}/score"),
        "good": share(good, generator(seed, label, "good"), [unit(row) for row in labelled]),
    }


def against_people(rows: Sequence[Any], audit: Audit, seed: int, label: str) -> dict[str, Figure]:
    """`accuracy` (where people do not tie), `brier` and `ece` of the rows that people judged too."""
    both = [(row, p, verdict) for row in rows
            if (p := probability(row)) is not None and (verdict := audit.verdict(row)) is not None]  # fmt: skip
    if not both:
        return dict.fromkeys(("accuracy", "brier", "ece"), nothing(why=UNAUDITED))
    said, verdicts = [p for _, p, _ in both], [true for _, _, true in both]
    clusters = [subject(row) for row, _, _ in both]
    decided = [index for index, true in enumerate(verdicts) if abs(true - 0.5) > TIE]
    right = [_side(said[index], verdicts[index]) for index in decided]
    ece = calibration_error_interval(said, verdicts, generator(seed, label, "ece"), clusters)
    return {
        "accuracy": _accuracy(right, [clusters[index] for index in decided], generator(seed, label, "accuracy")),
        "brier": average(brier(said, verdicts), generator(seed, label, "brier"), clusters, unit=True),
        "ece": figure(ece, len(said), "cluster bootstrap" if len(set(clusters)) < len(said) else "bootstrap"),
    }


def _accuracy(right: Sequence[float], clusters: Sequence[Hashable], rng: Any) -> Figure:
    """Where a probability is one half exactly, half a hit."""
    if not right:
        return nothing(why="people tie everywhere")
    if set(right) <= {0.0, 1.0}:
        return share([hit == 1.0 for hit in right], rng, clusters)
    return average(right, rng, clusters, unit=True)


def _side(p: float, true: float) -> float:
    return 0.5 if abs(p - 0.5) <= TIE else float((p > 0.5) == (true > 0.5))


def _mean(rows: Sequence[Any], values: Sequence[float], seed: int, label: str) -> Figure:
    return average(values, generator(seed, label), [unit(row) for row in rows], unit=True)


def _towards_longer(row: Vote) -> float:
    p = row.p_first if row.p_first is not None else 0.5
    return p if (lead(row) or 0) > 0 else 1.0 - p


def _longer(row: Any) -> bool:
    return (lead(row) or 0) > 0
