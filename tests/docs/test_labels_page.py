"""The examples of the page on labels run as they stand, on a judge that answers by rule."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Preference, Rating, Record, Score, Vote
from constitutional.builtin.labellers import LABELLERS
from tests.labellers.running import write
from tests.running import Ran, ran

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "labels.md").read_text()
EXAMPLES: Sequence[str] = re.findall(r"<!-- runs -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
VOTES = "pair,verdict,annotator\n0,A,ann\n0,A,bob\n1,B,ann\n2,skip,ann\n"


def example(labeller: str) -> str:
    (found,) = [text for text in EXAMPLES if re.search(rf"labeller: {labeller}\b", text)]
    return found


def run(folder: Path, labeller: str) -> Ran:
    return ran(write(folder, example(labeller), votes=VOTES))


def said(ran: Ran, step: str, record: type[Record]) -> list[tuple[Any, ...]]:
    rows = ran.rows(step, record)
    assert rows
    return [
        (row.principle, row.judge, row.value if isinstance(row, Rating) else row.p_first, row.abstained) for row in rows
    ]


def test_every_labeller_is_on_the_page_with_an_example() -> None:
    for labeller in (one.load() for one in LABELLERS):
        assert f"| `{labeller.name}` |" in PAGE
        assert example(labeller.name)


def test_multiple_choice(tmp_path: Path) -> None:
    made = run(tmp_path, "multiple-choice")
    assert len(said(made, "votes", Vote)) == 3 * 2 * 2 * 2
    assert {vote.judge for vote in made.rows("votes", Vote)} == {"strict", "mild"}
    labels = made.rows("labels", Preference)
    assert [label.chosen for label in labels] == ["Use the reset link."]


def test_rewards(tmp_path: Path) -> None:
    made = run(tmp_path, "reward")
    assert all(0 <= score.score <= 1 for score in made.rows("scores", Score))
    votes = made.rows("votes", Vote)
    assert {vote.order for vote in votes} == {"ab", "ba"}
    assert all(vote.abstained is None and 0 < vote.p_first < 1 for vote in votes)


def test_chain_of_thought(tmp_path: Path) -> None:
    made = run(tmp_path, "chain-of-thought")
    votes = made.rows("votes", Vote)
    assert [(vote.order, vote.sample) for vote in votes] == [(o, s) for o in ("ab", "ba") for s in range(3)] * 3
    assert {vote.p_first for vote in votes} == {0.6}


def test_ratings(tmp_path: Path) -> None:
    made = run(tmp_path, "score")
    assert [value for _, _, value, _ in said(made, "scores", Rating)] == [pytest.approx(7.5)] * 6
    assert [value for _, _, value, _ in said(made, "acceptable", Rating)] == [pytest.approx(0.8)] * 3
    steps = made.rows("steps", Rating)
    assert [(one.step, len(one.steps)) for one in steps] == [(0, 3), (1, 3), (2, 3), (0, 1), (0, 1)]


def test_rules(tmp_path: Path) -> None:
    made = run(tmp_path, "rules")
    votes = said(made, "by_rule", Vote)
    assert len(votes) == 3 * 4 * 2
    assert [vote for vote in votes if vote[2] is not None] == [
        ("no-secrets", "rules", 1.0, None), ("no-secrets", "rules", 0.0, None),
        ("rule:personal", "rules", 0.0, None), ("rule:personal", "rules", 1.0, None),
    ]  # fmt: skip
    kept = said(made, "kept", Rating)
    assert [(principle, value) for principle, _, value, _ in kept] == [
        ("rule:personal", 1.0), ("rule:code", 1.0), ("rule:personal", 0.0), ("rule:code", 1.0), ("rule:personal", 1.0), ("rule:code", 0.0),
    ]  # fmt: skip
    assert [label.chosen for label in made.rows("labels", Preference)] == ["Use the reset link.", "I cannot show it."]


def test_human(tmp_path: Path) -> None:
    made = run(tmp_path, "human")
    assert said(made, "people", Vote) == [
        ("human", "ann", 1.0, None), ("human", "bob", 1.0, None), ("human", "ann", 0.0, None), ("human", "ann", None, "skipped"),
    ]  # fmt: skip
    assert made.ledger("people")["ledger"]["kept"] == 3
    assert [label.chosen for label in made.rows("labels", Preference)] == ["Use the reset link.", "I cannot show it."]
