"""Votes of people: as they gave them, on pairs that exist, each person once."""

import json
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import MAIN, DataError, Pair, Vote, user
from constitutional.builtin.labellers import Human
from tests.stages_support import Memory, Script, adds_up

PAIRS = [
    Pair(row_id=f"pair-{i}", prompt=(user("hi"),), first=f"one {i}", second=f"two {i}", meta={"item": i})
    for i in range(4)
]


def votes(file: Path, text: str, pairs: list[Pair] = PAIRS, **params: Any) -> list[Vote]:
    file.write_text(text)
    stage = Human(Human.Params.model_validate({"file": file, **params}))
    inputs = Memory({"pairs": [pairs]})
    outputs = stage.run(inputs, Script(file.parent))
    assert adds_up(outputs, inputs, "pairs")
    made: list[Vote] = list(outputs.rows[MAIN])  # type: ignore[arg-type]
    assert outputs.fates.get(("kept", ""), 0) == len({vote.pair for vote in made})
    assert outputs.fates.get(("abstained", "nobody voted"), 0) == len(pairs) - len({vote.pair for vote in made})
    return made


def test_each_annotator_is_a_judge(tmp_path: Path) -> None:
    made = votes(
        tmp_path / "v.csv",
        "pair,verdict,annotator\npair-0,first,ann\npair-0,second,bob\npair-2,tie,ann\npair-3,skip,ann\n",
    )
    assert [(v.pair, v.judge, v.p_first, v.abstained, v.order) for v in made] == [
        ("pair-0", "ann", 1.0, None, "ab"), ("pair-0", "bob", 0.0, None, "ab"), ("pair-2", "ann", 0.5, None, "ab"),
        ("pair-3", "ann", None, "skipped", "ab"),
    ]  # fmt: skip
    assert len({v.row_id for v in made}) == 4
    assert all(Vote.from_row(v.to_row()) == v for v in made)


def test_a_verdict_names_the_pairs_own_answer_wherever_it_was_shown(tmp_path: Path) -> None:
    made = votes(
        tmp_path / "v.csv",
        "pair,verdict,annotator,order,comment\npair-0,first,ann,ba,kind\npair-1,second,ann,ba,\npair-2,tie,ann,ba,\n",
    )
    assert [(v.order, v.p_first) for v in made] == [("ba", 0.0), ("ba", 1.0), ("ba", 0.5)]
    assert made[0].raw == "kind"
    assert (made[0].first, made[0].second) == ("one 0", "two 0")


def test_json_lines_their_words_and_their_columns(tmp_path: Path) -> None:
    lines = [
        {"item": 1, "choice": "B", "who": "ann", "principle": "kind"},
        {"item": 2, "choice": "same", "who": "ann", "principle": "kind"},
    ]
    made = votes(
        tmp_path / "v.jsonl", "".join(json.dumps(line) + "\n" for line in lines), id="item",
        columns={"pair": "item", "verdict": "choice", "annotator": "who"}, verdicts={"A": "first", "B": "second", "same": "tie"},
    )  # fmt: skip
    assert [(v.pair, v.p_first, v.principle) for v in made] == [("pair-1", 0.0, "kind"), ("pair-2", 0.5, "kind")]


@pytest.mark.parametrize(("text", "said"), [
    ("pair,verdict,annotator\npair-9,first,ann\n", "no pair `pair-9`"), ("pair,verdict,annotator\npair-0,firstt,ann\n", "no verdict"),
    ("pair,verdict,annotator\npair-0,-1,ann\n", "`-1` is no verdict"), ("pair,verdict,annotator\npair-0,,ann\n", "`verdict` is missing"),
    ("pair,verdict\npair-0,first\n", "`annotator` is missing"), ("pair,verdict,annotator,order\npair-0,first,ann,aa\n", "`order` is `aa`"),
    ("pair,verdict,annotator\npair-0,first,ann\npair-0,second,ann\n", "again, after row 1"), ("pair,verdict,annotator\n", "no rows"),
    ("", "no rows"), ("pair,pair\na,b\n", "twice"),
])  # fmt: skip
def test_what_is_no_vote_is_an_error_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        votes(tmp_path / "v.csv", text)


def test_an_unknown_pair_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        votes(tmp_path / "v.csv", "pair,verdict,annotator\npair_0,first,ann\n")
    assert "v.csv, row 1" in str(caught.value)
    assert caught.value.help == "did you mean `pair-0`?"


def test_pairs_must_be_told_apart(tmp_path: Path) -> None:
    twins = [Pair(row_id=f"p{i}", prompt=(user("hi"),), first="a", second="b", meta={"item": 1}) for i in range(2)]
    with pytest.raises(DataError, match="two pairs"):
        votes(tmp_path / "v.csv", "pair,verdict,annotator\n1,first,ann\n", twins, id="item")
    with pytest.raises(DataError, match="no column `other`"):
        votes(tmp_path / "v.csv", "pair,verdict,annotator\n1,first,ann\n", twins, id="other")


def test_unknown_columns_are_said_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("x")
    assert list(Human.check(Human.Params(file=tmp_path / "v.csv", columns={"pears": "x"})))
    assert not list(Human.check(Human.Params(file=tmp_path / "v.csv", columns={"pair": "x"})))
