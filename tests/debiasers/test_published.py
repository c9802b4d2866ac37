"""Judgments that others published, through our debiasers: the figures that follow from them by hand.

The data is no part of the repository: it is read from `CONSTITUTIONAL_DATA`, or from `../shared/data` beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Preference, Vote
from constitutional.builtin.debiasers import PositionSwap
from constitutional.builtin.debiasers.ensemble import Ensemble
from tests.debiasers.support import figure, preference, run, vote

DATA = Path(os.environ.get("CONSTITUTIONAL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
JUDGMENTS = DATA / "llmbar" / "judgments.jsonl.gz"

pytestmark = pytest.mark.skipif(
    not JUDGMENTS.is_file(), reason="the judgments of LLMBar (Zeng et al. 2023) are not here"
)


def cast(subset: str, *judges: str, strategy: str = "Vanilla_NoRules") -> tuple[list[Vote], list[Preference]]:
    """The verdicts of judges on a subset in both orders, as votes, and what people say."""
    votes: list[Vote] = []
    people: dict[str, Preference] = {}
    for line in gzip.decompress(JUDGMENTS.read_bytes()).decode().splitlines():
        row: dict[str, Any] = json.loads(line)
        if not row["subset"].startswith(subset) or row["evaluator"] not in judges or row["strategy"] != strategy:
            continue
        pair = f"{row['subset']}/{row['i']}"
        sides = (f"first of {pair}", f"second of {pair}")
        here = {"pair": pair, "judge": row["evaluator"], "first": sides[0], "second": sides[1]}
        for order in ("ab", "ba"):
            said = row[f"winner_{order}"]
            shown_first = None if said is None else float((said == "1") == (order == "ab"))
            votes.append(vote(shown_first, order, **here))
        better = int(row["label"]) - 1
        people[pair] = preference(1.0, row_id=pair, chosen=sides[better], rejected=sides[1 - better])
    return votes, list(people.values())


def values(outputs: Any, *names: str) -> list[float]:
    return [round(100 * figure(outputs, name)["value"], 1) for name in names]


@pytest.mark.parametrize(("subset", "judge", "raw", "coverage", "accuracy", "same_position"), [
    ("Processed/MT-Bench", "GPT-4", 81.0, 87.0, 85.6, 13.0),
    ("Processed/MT-Bench", "ChatGPT", 71.2, 57.5, 87.0, 42.5),
    ("LLMBar/", "ChatGPT", 40.0, None, 33.6, 38.9),
])  # fmt: skip
def test_keeping_what_is_consistent_is_not_keeping_what_is_right(
    subset: str, judge: str, raw: float, coverage: float | None, accuracy: float, same_position: float
) -> None:
    """The weaker judge gains where pairs are easy, and loses where they are made to mislead: read both figures."""
    votes, people = cast(subset, judge)
    _, outputs = run(PositionSwap, votes, people, only_consistent=True)
    assert values(outputs, "before.accuracy", "after.accuracy", "same_position") == pytest.approx(
        [raw, accuracy, same_position], abs=0.11
    )
    if coverage is not None:
        assert values(outputs, "coverage") == [coverage]
    assert figure(outputs, "after.accuracy")["n"] == len(list(outputs.rows[""]))


def test_three_judges_are_weighed_by_their_agreement_alone() -> None:
    """On pairs made to mislead, where two of three judges are poor, knowing who is good is worth more than heads."""
    votes, people = cast("LLMBar/", "GPT-4", "ChatGPT", "PaLM2")
    _, weighed = run(Ensemble, votes, people, method="dawid-skene", margin=0.0)
    _, counted = run(Ensemble, votes, people, method="majority", voter="judge", margin=0.0)
    skill = {name: said["accuracy"]["value"] for name, said in figure(weighed, "voters").items()}
    assert sorted(skill, key=lambda name: skill[name]) == ["ChatGPT", "PaLM2", "GPT-4"]
    assert figure(weighed, "after.accuracy")["value"] > figure(counted, "after.accuracy")["value"] + 0.05
    assert figure(weighed, "coverage")["value"] > figure(counted, "coverage")["value"] + 0.1
