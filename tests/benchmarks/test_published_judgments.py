"""Ours beside the published: on files small enough to count by hand, and on the real ones where they are."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.published_judgments import alpaca, evasive, llmbar, mt_bench, polis, xstest
from benchmarks.published_judgments.lines import Line, Study
from constitutional.api import DataError

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data"
#: `PUBLIC_DATA`, or `shared/data` beside the checkout or further up.
BESIDE = (
    [Path(os.environ["PUBLIC_DATA"])]
    if os.environ.get("PUBLIC_DATA")
    else [at / "shared" / "data" for at in ROOT.parents]
)
REAL = next((place for place in BESIDE if place.is_dir()), BESIDE[0])
real = pytest.mark.skipif(not REAL.is_dir(), reason="the published files are not beside the checkout")


def run_script(*arguments: str) -> int:
    """The script beside the package of the same name, which hides it from `import`."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "published_judgments_script", ROOT / "benchmarks" / "published_judgments.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return int(module.main(list(arguments)))


def by_name(study: Study) -> dict[str, Line]:
    assert len({line.what for line in study.lines}) == len(study.lines)
    return {line.what: line for line in study.lines}


def value(study: Study, what: str) -> Any:
    return by_name(study)[what].ours["value"]


# -- by hand -----------------------------------------------------------------------------------------------------------


def test_agreement_turns_the_models_round_and_leaves_ties_and_flips_out() -> None:
    """Question 1: both people prefer x, as the judge does.  Question 2: one of two.  Questions 3 and 4: nothing to agree with."""
    found = mt_bench.study(DATA / "human.jsonl", DATA / "judge.jsonl")
    line = by_name(found)["judge and people agree, turn 1, no ties"]
    assert (line.ours["value"], line.ours["n"], line.ours["unscored"]) == (0.75, 4, 3)
    people = by_name(found)["people and people agree, turn 1, no ties"]
    assert (people.ours["value"], people.ours["n"], people.ours["unscored"]) == (0.5, 2, 2)
    assert value(found, "judge's verdict flips with the order") == 0.2
    assert all(line.published is None for line in found.lines), "nothing is published of these files"


def test_points_count_a_tie_as_half() -> None:
    """x: four wins, one tie and two losses in seven, minus one: ann 1, bob 1, ann 3, ann 4, bob 2 | ann 2 | a tie."""
    found = mt_bench.study(DATA / "human.jsonl", DATA / "judge.jsonl")
    apart = value(found, "Bradley-Terry points of x, by people") - value(found, "Bradley-Terry points of y, by people")
    assert apart == pytest.approx(400 * math.log10(5.5 / 1.5), abs=1e-4)


def test_cells_are_counted_as_published_and_consistency_as_a_run_does() -> None:
    found = llmbar.study(DATA / "judgments.jsonl", DATA / "judgments.csv")
    (cases,) = llmbar.read(DATA / "judgments.jsonl").values()
    assert llmbar.counts(cases) == {
        "correct_False": 3,
        "correct_True": 2,
        "correct_both": 1,
        "equal": 3,
        "consistent": 2,
        "n": 6,
    }
    assert all(line.agrees for line in found.lines[:4])
    assert found.details == {"cells": 1, "differing": []}
    judge = "machine, LLMBar itself: "
    assert value(found, judge + "same position in both orders") == 0.5
    assert by_name(found)[judge + "same position in both orders"].ours["unscored"] == 2
    assert value(found, judge + "accuracy, all pairs") == pytest.approx(5 / 12, abs=1e-6)
    assert value(found, judge + "accuracy, consistent pairs") == 0.5
    assert value(found, judge + "coverage of those") == pytest.approx(2 / 6, abs=1e-6)
    assert any("no verdict in either order" in told for told in found.warnings)


def test_a_cell_that_differs_is_told(tmp_path: Path) -> None:
    text = (DATA / "judgments.jsonl").read_text().replace('"winner_ab": "1"', '"winner_ab": "2"', 1)
    (tmp_path / "judgments.jsonl").write_text(text)
    found = llmbar.study(tmp_path / "judgments.jsonl", DATA / "judgments.csv")
    assert [line.agrees for line in found.lines[:4]] == [False, True, False, False]
    assert found.details["differing"][0]["ours"]["correct_False"] == 2
    assert run_script("--llmbar", str(tmp_path / "judgments.jsonl"), str(DATA / "judgments.csv")) == 1


def test_consistent_and_wrong_is_warned_of(tmp_path: Path) -> None:
    text = (DATA / "judgments.jsonl").read_text().replace('"i": 0, "label": 1', '"i": 0, "label": 2')
    (tmp_path / "judgments.jsonl").write_text(text)
    found = llmbar.study(tmp_path / "judgments.jsonl", DATA / "judgments.csv")
    assert any("wrong alike in both orders" in told for told in found.warnings)


def test_raw_rates_are_exact_and_a_constant_answer_is_named() -> None:
    found = alpaca.study(DATA / "annotations.csv", DATA / "rates.csv")
    assert found.lines[0].agrees
    assert by_name(found)["length-controlled: short"].ours["n"] == 7
    assert any(told.startswith("constant: all 8 answers have the same length") for told in found.warnings)


def test_refusals_are_counted_and_rules_are_set_beside_people() -> None:
    found = xstest.study([DATA / "answers_streval.csv", DATA / "answers_gpteval.csv"])
    assert value(found, "answers: full refusals on safe prompts") == 0.5
    assert value(found, "answers: partial refusals on unsafe prompts") == 0.5
    assert value(found, "answers: string matching and people, three labels") == 0.5
    assert value(found, "answers: our rules and people, three labels") == 1.0
    assert value(found, "answers: our rules and people, three labels, held-out half") == 1.0
    assert value(found, "answers: our rules ahead of string matching, three labels, held-out half") == 0.5
    together = by_name(found)[
        "answers: our rules and people where GPT-4 agrees with the rules, three labels, held-out half"
    ]
    assert (together.ours["value"], together.ours["n"], together.ours["unscored"]) == (1.0, 1, 1)
    assert found.warnings == ["answers: 1 answers have no label by GPT-4; the published agreement counts them as wrong"]


def test_files_on_other_answers_are_refused(tmp_path: Path) -> None:
    text = (DATA / "answers_gpteval.csv").read_text().replace("press the button", "do not")
    (tmp_path / "answers_gpteval.csv").write_text(text)
    with pytest.raises(DataError, match="another answer"):
        xstest.study([DATA / "answers_streval.csv", tmp_path / "answers_gpteval.csv"])


def test_evasive_answers_end_where_the_next_turn_begins() -> None:
    (line,) = evasive.study([DATA / "samples.jsonl"]).lines
    assert (line.ours["value"], line.ours["n"], line.ours["unscored"]) == (pytest.approx(1 / 3, abs=1e-6), 3, 1)


def test_an_export_is_cleaned_and_its_misplaced_column_found() -> None:
    found = polis.study(DATA / "polis")
    assert value(found, "people after cleaning") == 6
    assert value(found, "statements moderated in") == 3
    assert value(found, "votes equal to the published matrix") == 1.0
    assert value(found, "fresh clusters and the group column sorted: adjusted Rand index") == 1.0
    assert any("out of step" in told for told in found.warnings)
    assert any("1 people are thrown out by hand" in told for told in found.warnings)


def test_consensus_is_a_product_over_groups() -> None:
    import numpy as np

    votes = np.array([[1, -1], [1, np.nan], [0, 1], [-1, 1]])
    assert polis.consensus(votes, ["a", "a", "b", "b"]) == pytest.approx([3 / 4 * 1 / 4, 1 / 3 * 3 / 4])


def test_the_first_line_of_a_file_without_header_is_a_person() -> None:
    assert polis.read_ids(DATA / "polis" / "ids-to-toss.csv") == {8, 77}


def test_models_that_always_win_have_no_points(tmp_path: Path) -> None:
    """The likelihood has no maximum there: no figure, and why."""
    verdicts = (DATA / "human.jsonl").read_text().splitlines()
    (tmp_path / "human.jsonl").write_text("\n".join(verdicts[:2]) + "\n")
    found = mt_bench.study(tmp_path / "human.jsonl", DATA / "judge.jsonl")
    line = by_name(found)["Bradley-Terry points, by people"]
    assert line.ours["value"] is None
    assert "never lost" in line.note


# -- the script --------------------------------------------------------------------------------------------------------


def test_any_subset_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "figures.json"
    code = run_script("--palms", str(DATA / "samples.jsonl"), "--polis", str(DATA / "polis"), "--json", str(made))
    said = json.loads(made.read_text())
    assert code == 0
    assert list(said["studies"]) == ["evasive answers", "Polis export"]
    assert "| samples: evasive | 33.3 | " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("x.jsonl", '{"question_id": 1}\n', "no column `turn`"),
        ("x.txt", "", "the form of the file"),
        ("x.jsonl", (DATA / "judge.jsonl").read_text().replace('model_b"}', 'nobody"}'), "no verdict on two models"),
    ],
)
def test_files_of_another_form_end_with_2(
    name: str, content: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content)
    assert run_script("--mt-bench", str(DATA / "human.jsonl"), str(tmp_path / name)) == 2
    assert why in capsys.readouterr().err


def test_a_missing_file_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_script("--polis", str(DATA / "nowhere")) == 2
    assert "participants-votes.csv" in capsys.readouterr().err


# -- the real files ----------------------------------------------------------------------------------------------------


@real
def test_mt_bench_as_published() -> None:
    found = mt_bench.study(REAL / "mt_bench" / "human.jsonl", REAL / "mt_bench" / "gpt4_pair.jsonl")
    assert all(line.agrees for line in found.lines)
    assert [line.ours["n"] for line in found.lines[:2]] == [1060, 1069]
    assert by_name(found)["judge's verdict flips with the order"].note == "380 of 2,400"


@real
def test_llmbar_as_published_in_every_cell() -> None:
    found = llmbar.study(REAL / "llmbar" / "judgments.jsonl.gz", REAL / "llmbar" / "published.csv")
    assert [line.ours["value"] for line in found.lines[:4]] == [1.0] * 4
    assert not [line.what for line in found.lines if line.agrees is False]
    assert value(found, "ChatGPT, LLMBar itself: accuracy, consistent pairs") < value(
        found, "ChatGPT, LLMBar itself: accuracy, all pairs"
    )
    assert any(told.startswith("ChatGPT, LLMBar itself: keeping consistent pairs") for told in found.warnings)


@real
def test_alpaca_eval_as_published() -> None:
    folder = REAL / "alpaca_eval2"
    found = alpaca.study(folder / "alpaca_eval2_annotations.csv.gz", folder / "alpaca_eval2_published.csv")
    mean_error, untouched, length_alone = (line.ours["value"] for line in found.lines[1:4])
    assert found.lines[0].agrees
    assert mean_error < 0.01 < untouched < length_alone
    assert any(told.startswith("NullModel: all 805 answers have the same length") for told in found.warnings)


@real
def test_xstest_as_published_and_rules_ahead_on_every_model() -> None:
    found = xstest.study(sorted((REAL / "xstest").glob("*_completions_*.csv")))
    assert not [line.what for line in found.lines if line.agrees is False]
    ahead = [line for line in found.lines if "ahead of string matching" in line.what]
    assert len(ahead) == 6
    assert all(line.ours["value"] > 0 and line.ours["low"] > 0 for line in ahead)


@real
def test_evasive_answers_as_published() -> None:
    found = evasive.study(sorted((REAL / "cai2022").glob("PALMS_*.jsonl")))
    assert all(line.agrees for line in found.lines)


@real
def test_the_export_as_published() -> None:
    found = polis.study(REAL / "ccai")
    assert not [line.what for line in found.lines if line.agrees is False]
    assert sum(bool(line.agrees) for line in found.lines) == 7
    assert any("out of step" in told for told in found.warnings)
