"""Statements to principles: duplicates, wording, the file."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from constitutional.cli.collective import collective
from constitutional.collective.build import Rules, build
from constitutional.collective.duplicates import near_duplicates, turns
from constitutional.collective.principles import to_yaml
from constitutional.collective.report import lines, summary, write_report
from constitutional.collective.wording import compare, usable
from constitutional.constitution.model import Support
from constitutional.constitution.read import read_constitution
from constitutional.errors import DataError
from tests.collective.exports import export, two_camps

HOSTILE = [
    "=HYPERLINK(\"http://x\")",
    "The AI should {{ 7*7 }} `rm` \x1b[2J \u202e ${env:HOME}",
    "- id: mine\nrule: 'x'",
    "</svg><script>alert(1)</script>",
    "# no",
    "yes",
    "1e5",
    "${env:HOME}",
]  # fmt: skip


def camps(tmp_path, texts=None, **more):
    rows, own = two_camps()
    return export(tmp_path / "export", rows, texts or own, **more)


def test_what_both_camps_want_becomes_the_constitution(tmp_path):
    built = build(camps(tmp_path), Rules(min_votes=3))
    assert {principle.rule for principle in built.constitution} == {
        f"The AI should be {word}." for word in ("honest", "kind", "clear", "safe")
    }
    assert np.bincount(built.labels).tolist() == [30, 30]
    first = built.constitution.principles[0]
    assert (
        first.compare == f"Which response fits better with an AI that {first.rule.removeprefix('The AI ').rstrip('.')}?"
    )
    column = built.chosen[0].column
    assert first.support == {
        name: Support(int(built.consensus.agrees[g, column]), 0, int(built.consensus.seen[g, column]))
        for g, name in enumerate(("a", "b"))
    }


def test_the_file_is_read_back_as_the_same_constitution(tmp_path):
    built = build(camps(tmp_path), Rules(min_votes=3), name="camps")
    path = tmp_path / "c.yaml"
    path.write_text(to_yaml(built.constitution))
    read = read_constitution(path)
    assert read.principles == built.constitution.principles
    assert (read.name, read.about) == ("camps", built.constitution.about)


def test_hostile_statements_stay_text(tmp_path):
    rows, own = two_camps(shared=4)
    rows = {id: [1, 1, 1, 1, *said] for id, said in rows.items()}
    folder = export(tmp_path / "export", rows, [*HOSTILE, *own[4:], *own[:4]][: len(next(iter(rows.values())))])
    out = tmp_path / "c.yaml"
    done = CliRunner().invoke(collective, [str(folder), "-o", str(out), "--min-votes", "3", "--keep-duplicates",
                                           "--report", str(tmp_path / "report")], standalone_mode=False)  # fmt: skip
    assert done.exception is None, done.output
    read = read_constitution(out)
    rules = [principle.rule for principle in read]
    assert any("=HYPERLINK" in rule for rule in rules)
    assert any("{{ 7*7 }}" in rule and "<U+001B>" in rule for rule in rules)
    assert "\x1b" not in out.read_text() + done.output
    cells = list(csv.reader((tmp_path / "report" / "statements.csv").open(newline="")))
    assert any(row[-1].startswith("'=HYPERLINK") for row in cells)
    assert "script" not in (tmp_path / "report" / "map.svg").read_text()


# -- duplicates ------------------------------------------------------------------------------------------------------


def test_near_duplicates_lead_and_opposites_do_not_meet():
    texts = [
        "The AI should be accessible for people with disabilities",
        "AI should be accessible to people with disabilities.",
        "The AI should not be accessible for people with disabilities",
        "The AI shouldn't be accessible for people with disabilities",
        "The AI should tell jokes",
    ]
    assert near_duplicates(texts, 0.7) == [[0, 1], [2, 3]]
    assert near_duplicates(texts[:1], 0.0) == []
    assert near_duplicates(texts, 1.01) == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("It should not lie", "It shouldn’t lie", True),
        ("It should lie", "It should never lie", False),
        ("It can not go", "It cannot go", True),
        ("It wants more", "It wants less", False),
        ("It is important", "It is a restaurant", True),
        ("It does lie", "It doesnt lie", False),
    ],
)
def test_words_that_turn_a_sentence_round(one, other, same):
    assert (turns(one) == turns(other)) is same


@given(st.lists(st.text(max_size=30), max_size=12), st.floats(0, 1))
def test_no_text_is_in_two_clusters(texts, likeness):
    try:
        clusters = near_duplicates(texts, likeness)
    except ValueError:
        pytest.fail("any texts can be compared")
    places = [place for cluster in clusters for place in cluster]
    assert len(places) == len(set(places))
    assert all(len(cluster) > 1 and cluster == sorted(cluster) for cluster in clusters)


def test_a_merged_statement_is_named_and_counted(tmp_path):
    rows, texts = two_camps()
    texts[1] = "An AI should be honest."
    texts[0] = "The AI should be honest!"
    built = build(export(tmp_path, rows, texts), Rules(min_votes=3))
    assert summary(built)["principles"] == {"n": 3, "merged": 1, "worded_by": {"model": 0, "template": 3}}
    assert sum("which say the same" in principle.about for principle in built.constitution) == 1
    fates = [row["fate"] for row in csv.DictReader(write_report(built, tmp_path / "r")[1].open(newline=""))]
    assert sum(fate.startswith("merged into") for fate in fates) == 1
    assert fates.count("principle") == 3
    assert len(build(tmp_path, Rules(min_votes=3, likeness=None)).constitution) == 4


# -- wording ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "The AI should not say racist things.",
            "Which response fits better with an AI that should not say racist things?",
        ),
        ("AI shouldn’t lie", "Which response fits better with an AI that shouldn’t lie?"),
        ("AIs have to be kind.", "Which response fits better with an AI that has to be kind?"),
        ("an ai needs to explain itself!", "Which response fits better with an AI that needs to explain itself?"),
        ("Be nice", "Which response follows this better: Be nice."),
        ("Ailments should heal", "Which response follows this better: Ailments should heal."),
    ],
)
def test_the_template_keeps_the_authors_words(statement, said):
    assert compare(statement) == said


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('"Which response is kinder?"', "Which response is kinder?"),
        ("Choose the response that is kinder.\n", "Choose the response that is kinder."),
        ("I cannot help with that.", None),
        ("Which response is kinder?\nLet me explain.", None),
        ("", None),
        ("Which " + "x" * 700, None),
    ],
)
def test_a_model_that_words_nothing_is_not_believed(said, kept):
    assert usable(said) == kept


# -- the whole way ---------------------------------------------------------------------------------------------------


def misaligned(tmp_path):
    """Labels made for the people in order of their ids, and written to rows that are not in that order."""
    rows, texts = two_camps()
    in_order = ["0" if id % 2 == 0 else "1" for id in sorted(rows)]
    return export(tmp_path / "export", rows, texts, groups=dict(zip(rows, in_order, strict=True)))


def test_a_misaligned_column_is_noticed_and_can_be_read_aright(tmp_path):
    folder = misaligned(tmp_path)
    rules = Rules(min_votes=3, groups="column")
    wrong = build(folder, rules)
    assert wrong.alignment is not None
    assert wrong.alignment.misaligned
    assert any(line.startswith("warning: ") for line in lines(wrong))
    right = build(folder, replace(rules, groups="realigned"))
    fresh = build(folder, replace(rules, groups="fresh"))
    assert (right.labels == fresh.labels).all()
    assert not (wrong.labels == fresh.labels).all()


def test_a_column_that_is_not_there_or_not_for_all_is_no_column(tmp_path):
    with pytest.raises(DataError, match="no column of groups"):
        build(camps(tmp_path), Rules(min_votes=3, groups="column"))
    with pytest.raises(DataError, match="people have no group"):
        build(camps(tmp_path, groups={0: "0", 1: "1"}), Rules(min_votes=3, groups="column"))


def test_the_number_of_groups_may_be_given(tmp_path):
    folder = camps(tmp_path)
    three = build(folder, Rules(min_votes=3, k=3))
    assert three.fresh.k == 3
    assert list(three.fresh.silhouettes) == [3]
    assert set(three.constitution.principles[0].support) == {"a", "b", "c"}
    with pytest.raises(DataError, match="make no 61 groups"):
        build(folder, Rules(min_votes=3, k=61))


def test_the_same_votes_give_the_same_file(tmp_path):
    folder = camps(tmp_path)
    assert to_yaml(build(folder, Rules(min_votes=3)).constitution) == to_yaml(
        build(folder, Rules(min_votes=3)).constitution
    )


def test_nothing_that_passes_is_an_error_with_the_best(tmp_path):
    with pytest.raises(DataError, match=r"no statement reaches a consensus of 0\.990: the highest is"):
        build(camps(tmp_path), Rules(min_votes=3, threshold=0.99))


def test_a_model_words_what_it_can(tmp_path, monkeypatch):
    """A real run: the model answers one statement usably, refuses one, and has no answer to the others."""
    folder = camps(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(
        "constitutional: 1\nname: any\nmodels:\n  writer: {backend: scripted, rules: ["
        "{when: 'be honest', say: 'Which response is more honest?'}, {when: 'be kind', say: 'I cannot.'}, {unanswered: refused}]}\n"
        "data:\n  prompts: {source: jsonl, path: nothing.jsonl}\n"
        "stages:\n  draft: {generator: sample, model: writer, prompts: prompts}\n"
    )
    arguments = [
        str(folder),
        "-o",
        "c.yaml",
        "--min-votes",
        "3",
        "--spec",
        "spec.yaml",
        "--model",
        "writer",
        "--name",
        "c",
    ]
    done = CliRunner().invoke(collective, arguments, standalone_mode=False, catch_exceptions=False)
    assert "`writer` worded 1 of them usably" in done.output
    texts = {principle.rule: principle for principle in read_constitution(tmp_path / "c.yaml")}
    assert texts["The AI should be honest."].compare == "Which response is more honest?"
    assert "worded by model" in texts["The AI should be honest."].about
    assert texts["The AI should be kind."].compare == "Which response fits better with an AI that should be kind?"
    assert len(texts) == 4


def test_the_command_does_not_overwrite_and_reports(tmp_path):
    folder, out = camps(tmp_path), tmp_path / "c.yaml"
    words = [str(folder), "-o", str(out), "--min-votes", "3", "--max-principles", "2", "--report", str(tmp_path / "r")]
    done = CliRunner().invoke(collective, words, standalone_mode=False, catch_exceptions=False)
    assert "wrote 2 principles" in done.output
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["groups"]["sizes"] == [30, 30]
    assert report["consensus"]["n"] == 12
    again = CliRunner().invoke(collective, words)
    assert again.exit_code == 2
    assert "--force replaces it" in again.output


def test_the_command_and_python_have_the_same_defaults():
    """A default that differs would make two constitutions of the same votes."""
    from dataclasses import fields

    given = {option.name: option.default for option in collective.params}
    for field in fields(Rules):
        if field.name in given and field.name not in ("threshold", "most", "k"):
            assert given[field.name] == field.default, field.name
    assert {field.name for field in fields(Rules)} <= set(given)
