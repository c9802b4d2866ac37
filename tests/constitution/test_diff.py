"""Differences of constitutions, and what they touch: held against runs that are done again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from constitutional.cli.diff import diff as command
from constitutional.cli.run import run
from constitutional.constitution.diff import diff, groups
from constitutional.constitution.read import read_constitution
from constitutional.errors import SpecError, UserError
from constitutional.store.folder import Store
from constitutional.store.lineage import choose_run, rows, tables

#: At temperature 0 equal questions share one answer, so that answers here hang on the question alone.
SPEC = """
constitutional: 1
name: killed
seed: 3
constitution: rules.yaml
models:
  m:
    backend: scripted
    rules:
      - {when: '(?s)kind.*\\(A\\) (Why|Never)', choose: {A: 0.9, B: 0.1}}
      - {when: '(?s)\\(A\\) Of course', choose: {A: 0.8, B: 0.2}}
      - {when: 'Answer with one letter', choose: {A: 0.3, B: 0.7}}
      - {when: 'Critique request', say: 'It could be better.'}
      - {when: 'Revision request', say: 'A better answer.'}
      - {say: ['Go away.', 'Why?', 'Of course, {last}', 'Never.']}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  draft: {generator: sample, model: m, prompts: prompts, with: {n: 2}}
  improve:
    repeat: 2
    from: draft
    stages:
      critique: {critic: principle, model: m, responses: previous}
      revise: {reviser: rewrite, model: m, critiques: critique}
  pairs: {generator: pair, model: m, prompts: prompts}
  votes: {labeller: multiple-choice, model: m, pairs: pairs, with: {principles: 2, orders: both}}
  labels: {debiaser: position-swap, votes: votes, with: {margin: 0.0}}
"""

OLD = """\
constitution: 1
principles:
  - {id: kind, rule: Be kind.}
  - {id: useful, rule: Be useful., weight: 2}
  - {id: short, rule: Be short., examples: [{prompt: p, better: b, worse: w}]}
"""
TEXT = OLD.replace("Be kind.", "Be very kind.")
ADDED = OLD + "  - {id: honest, rule: Be honest., weight: 2}\n"
REMOVED = OLD.replace("  - {id: kind, rule: Be kind.}\n", "")
WEIGHT = OLD.replace("weight: 2", "weight: 4")
EXAMPLES = OLD.replace("worse: w", "worse: x")
RENAMED = OLD.replace("id: kind", "id: gentle")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    prompts = "".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(80))
    (folder / "prompts.jsonl").write_text(prompts)
    (folder / "spec.yaml").write_text(SPEC)
    for name, text in {"old": OLD, "text": TEXT, "added": ADDED, "removed": REMOVED, "weight": WEIGHT, "examples": EXAMPLES,
                       "renamed": RENAMED}.items():  # fmt: skip
        (folder / f"{name}.yaml").write_text(text)
    (folder / "rules.yaml").write_text(OLD)
    assert call(str(folder / "spec.yaml"), "--root", str(folder / "runs"), of=run).return_value == 0
    return folder


def call(*words: str, of: click.Command = command):
    return CliRunner().invoke(of, list(words), standalone_mode=False, catch_exceptions=False)


def touched(project: Path, new: str, *more: str) -> dict[str, dict]:
    said = call(
        str(project / "old.yaml"),
        str(project / f"{new}.yaml"),
        "--root",
        str(project / "runs"),
        "--run",
        "killed",
        "--json",
        *more,
    )
    return {step["step"]: step for step in json.loads(said.stdout)["runs"]["killed"]}


def table(root: Path, step: str) -> list[dict]:
    store = choose_run(Store(root), "killed")
    return [dict(row) for t in tables(store) if t.name == step for row in rows(t)]


def again(project: Path, tmp_path: Path, new: str) -> Path:
    """The run that the new constitution really gives, from nothing."""
    (tmp_path / "rules.yaml").write_text((project / f"{new}.yaml").read_text())
    for name in ("spec.yaml", "prompts.jsonl"):
        (tmp_path / name).write_text((project / name).read_text())
    call(str(tmp_path / "spec.yaml"), "--root", str(tmp_path / "runs"), of=run)
    return tmp_path / "runs"


# -- between files -----------------------------------------------------------------------------------------------------


def of(project: Path, new: str):
    return diff(read_constitution(project / "old.yaml"), read_constitution(project / f"{new}.yaml"))


def test_what_changed_is_named(project: Path) -> None:
    assert of(project, "old") == []
    (text,) = of(project, "text")
    assert (text.id, text.kind, text.said, text.drawn) == ("kind", "changed", True, False)
    assert text.texts["rule"] == ("Be kind.", "Be very kind.")
    (added,) = of(project, "added")
    assert (added.id, added.kind, added.drawn) == ("honest", "added", True)
    (removed,) = of(project, "removed")
    assert (removed.id, removed.kind) == ("kind", "removed")
    (weight,) = of(project, "weight")
    assert (weight.weight, weight.said, weight.drawn) == ((2.0, 4.0), False, True)
    (examples,) = of(project, "examples")
    assert (examples.examples, examples.said, examples.drawn) == ((1, 1), False, False)


def test_a_new_id_for_the_same_texts_is_a_renaming_that_moves_rows(project: Path) -> None:
    new, gone = of(project, "renamed")
    assert (new.id, new.renamed_from, gone.id, gone.kind) == ("gentle", "kind", "kind", "removed")
    assert "a new id draws other rows" in call(str(project / "old.yaml"), str(project / "renamed.yaml")).stdout


def test_groups(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "constitution: 1\ngroups: {g: {weight: 1}}\nprinciples: [{id: a, group: g, rule: A.}]\n"
    )
    (tmp_path / "b.yaml").write_text(
        "constitution: 1\ngroups: {g: {weight: 3, priority: 2}}\nprinciples: [{id: a, group: g, rule: A.}]\n"
    )
    a, b = read_constitution(tmp_path / "a.yaml"), read_constitution(tmp_path / "b.yaml")
    assert [name for name, _, _ in groups(a, b)] == ["g"]
    (change,) = diff(a, b)
    assert (change.weight, change.priority) == ((1.0, 3.0), (1, 2))
    said = call(str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")).stdout
    assert "group g: weight 1, priority 1 -> weight 3, priority 2" in said


# -- in a run ----------------------------------------------------------------------------------------------------------


def test_a_changed_text_touches_the_rows_that_drew_it_and_what_came_of_them(project: Path) -> None:
    found = touched(project, "text")
    drew = [row for row in table(project / "runs", "improve.1.critique") if row["principle"] == "kind"]
    first = found["improve.1.critique"]
    assert (first["said"], first["moved"], first["follow"]) == (len(drew), 0, 0)
    assert 0 < len(drew) < first["rows"] / 2
    ids = {row["row_id"] for row in drew}
    revised = [row for row in table(project / "runs", "improve.1.revise") if set(row["parents"]) & ids]
    assert found["improve.1.revise"]["follow"] == len(revised) > 0
    assert found["draft"]["touched"] == found["pairs"]["touched"] == 0
    votes = [row for row in table(project / "runs", "votes") if row["principle"] == "kind"]
    assert found["votes"]["said"] == len(votes)
    judged = {row["pair"] for row in votes}
    labels = [row for row in table(project / "runs", "labels") if "kind" in row["principles"]]
    assert 0 < len(labels) <= found["labels"]["follow"] <= len(judged) * 2


@pytest.mark.parametrize("new", ["added", "removed", "weight"])
def test_rows_that_would_draw_another_principle_are_those_that_do(project: Path, tmp_path: Path, new: str) -> None:
    """The foretold rows are exactly those that the run with the new constitution does not have."""
    found = touched(project, new)
    root = again(project, tmp_path, new)
    before = {row["row_id"]: row for row in table(project / "runs", "improve.1.critique")}
    after = {row["row_id"] for row in table(root, "improve.1.critique")}
    assert found["improve.1.critique"]["moved"] == len(before.keys() - after) > 0
    assert found["improve.1.critique"]["moved"] < len(before)
    if new != "weight":  # which is written in every vote of the principle, drawn or not
        asked = [
            {(r["pair"], r["principle"], r["order"]) for r in table(where, "votes")}
            for where in (project / "runs", root)
        ]
        assert found["votes"]["moved"] == len(asked[0] - asked[1]) > 0


def test_examples_touch_nothing(project: Path) -> None:
    assert all(step["touched"] == 0 for step in touched(project, "examples").values())


def test_an_old_file_that_the_run_was_not_made_with_is_noticed(project: Path) -> None:
    said = call(
        str(project / "weight.yaml"), str(project / "added.yaml"), "--root", str(project / "runs"), "--run", "killed"
    )
    assert "OLD does not give the draws that were recorded" in said.stdout


def test_what_is_said_to_people(project: Path) -> None:
    said = call(
        str(project / "old.yaml"), str(project / "text.yaml"), "--root", str(project / "runs"), "--run", "killed"
    ).stdout
    assert "principle kind: rule, critique, revision, compare changed" in said
    assert "+ rule: Be very kind." in said
    assert "run killed: " in said
    counted = re.search(r"labels touched: (\d+) of (\d+) in labels", said)
    assert counted is not None
    assert int(counted[2]) == len(table(project / "runs", "labels"))
    assert "the same principles" in call(str(project / "old.yaml"), str(project / "old.yaml")).stdout


def test_a_spec_says_which_steps_are_done_again(project: Path) -> None:
    base = [
        str(project / "old.yaml"),
        str(project / "text.yaml"),
        "--root",
        str(project / "runs"),
        "--spec",
        str(project / "spec.yaml"),
    ]
    said = json.loads(call(*base, "--json").stdout)
    again = said["steps_to_do_again"]["killed"]
    assert "improve.1.critique" in again
    assert "labels" in again
    assert not {"prompts", "draft", "pairs"} & set(again)
    assert "killed" in said["runs"]
    assert "steps to do again: improve.1.critique" in call(*base).stdout


def test_mistakes_are_the_users(project: Path) -> None:
    old = str(project / "old.yaml")
    with pytest.raises(SpecError):
        call(old, str(project / "gone.yaml"))
    with pytest.raises(UserError, match="no run `x`"):
        call(old, old, "--run", "x", "--root", str(project / "runs"))
    with pytest.raises(click.UsageError, match="not both"):
        call(old, old, "--run", "x", "--spec", "y")


TRAINED = """
constitutional: 1
name: trained
constitution: rules.yaml
models: {agent: {backend: transformers, model: builtin:support-agent}}
data: {prompts: {source: jsonl, path: prompts.jsonl}}
stages:
  draft: {generator: sample, model: agent, prompts: prompts, with: {max_new_tokens: 12}}
  critique: {critic: principle, model: agent, responses: draft, with: {max_new_tokens: 8}}
  revise: {reviser: rewrite, model: agent, critiques: critique, with: {max_new_tokens: 12}}
  tuned: {trainer: sft, model: agent, demonstrations: revise, with: {epochs: 1, batch_size: 8}}
  after: {generator: sample, model: tuned, prompts: prompts, with: {max_new_tokens: 4}}
"""


@pytest.mark.slow
def test_a_trainer_with_one_touched_example_trains_anew(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"Where is order {n}?"}) + "\n" for n in range(16))
    )
    (tmp_path / "spec.yaml").write_text(TRAINED)
    for name, text in {"rules": OLD, "old": OLD, "text": TEXT}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    root = str(tmp_path / "runs")
    call(str(tmp_path / "spec.yaml"), "--root", root, of=run)
    said = call(str(tmp_path / "old.yaml"), str(tmp_path / "text.yaml"), "--root", root, "--run", "trained", "--json")
    found = {step["step"]: step for step in json.loads(said.stdout)["runs"]["trained"]}
    examples = found["tuned"]["training_examples"]
    assert 0 < examples["touched"] < examples["all"] <= 16
    assert examples["touched"] == found["revise"]["follow"]
    assert found["after"]["whole"] == "tuned is trained anew"
    assert found["after"]["touched"] == found["after"]["rows"] == 16
