"""`constitutional principles`: counts held against the rows themselves; and leaving one principle out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from constitutional.cli.check import check
from constitutional.cli.principles import principles as command
from constitutional.cli.run import run
from constitutional.errors import SpecError, UserError
from constitutional.store.folder import Store
from constitutional.store.lineage import choose_run, rows, tables

SPECS = Path(__file__).resolve().parents[2] / "specs"
RULES = """\
constitution: 1
principles:
  - {id: kind, compare: Which is kinder?, critique: Is it kind?}
  - {id: short, compare: Which is shorter?, critique: Is it short?}
  - {id: loud, weight: 3, compare: Which is louder?, critique: Is it loud?}
"""
#: Kind and short prefer GOOD in any order; loud prefers BAD, and outweighs the two on pairs that have LOUD.
SPEC = """
constitutional: 1
name: counted
constitution: rules.yaml
models:
  m:
    backend: scripted
    rules:
      - {when: '(?s)louder.*\\(A\\) BAD LOUD', choose: {A: 0.99, B: 0.01}}
      - {when: '(?s)louder.*\\(B\\) BAD LOUD', choose: {A: 0.01, B: 0.99}}
      - {when: '(?s)louder.*\\(A\\) GOOD', choose: {A: 0.6, B: 0.4}}
      - {when: '(?s)silent.*shorter', choose: {A: 0.0001, B: 0.0001}}
      - {when: '(?s)(kinder|shorter).*\\(A\\) GOOD', choose: {A: 0.9, B: 0.1}}
      - {when: '\\(A\\)', choose: {A: 0.1, B: 0.9}}
      - {when: 'Is it kind', say: No violation.}
      - {when: 'Revision request: .*loud', say: Yes.}
      - {when: 'Revision request', say: Better.}
      - {when: 'Critique request', say: It is bad.}
      - {say: Yes.}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
  pairs: {source: jsonl, path: pairs.jsonl, records: pairs}
stages:
  draft: {generator: sample, model: m, prompts: prompts}
  critique: {critic: principle, model: m, responses: draft}
  revise: {reviser: rewrite, model: m, critiques: critique}
  votes: {labeller: multiple-choice, model: m, pairs: pairs, with: {principles: all}, matrix: {with.without: [null, loud]}}
  labels: {debiaser: position-swap, votes: votes}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("counted")
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(60)))
    pairs = [
        ("plain", "GOOD", "BAD"),
        ("turned", "BAD", "GOOD"),
        ("loud", "GOOD", "BAD LOUD"),
        ("silent", "GOOD", "BAD"),
    ]
    (folder / "pairs.jsonl").write_text(
        "".join(json.dumps({"prompt": p, "first": a, "second": b}) + "\n" for p, a, b in pairs)
    )
    (folder / "rules.yaml").write_text(RULES)
    (folder / "spec.yaml").write_text(SPEC)
    assert call(str(folder / "spec.yaml"), "--root", str(folder / "runs"), of=run).return_value == 0
    return folder


def call(*words: str, of=command):
    return CliRunner().invoke(of, list(words), standalone_mode=False, catch_exceptions=False)


def found(project: Path) -> dict:
    return json.loads(call("counted", "--root", str(project / "runs"), "--json").stdout)


def table(project: Path, name: str) -> list[dict]:
    known = {t.name: t for t in tables(choose_run(Store(project / "runs"), "counted"))}
    return [dict(row) for row in rows(known[name])]


def share(figure: dict) -> tuple[int, int]:
    return round(figure["value"] * figure["n"]), figure["n"]


def test_critiques_and_revisions_are_counted(project: Path) -> None:
    said = found(project)
    drew = Counter(row["principle"] for row in table(project, "critique"))
    assert {id: one["drawn"] - 4 for id, one in said.items()} == drew
    assert share(said["kind"]["violations"]) == (0, drew["kind"])
    assert share(said["short"]["violations"]) == (drew["short"], drew["short"])
    assert share(said["kind"]["changed"])[0] == 0
    assert share(said["short"]["changed"]) == (drew["short"], drew["short"])
    assert share(said["loud"]["changed"]) == (0, drew["loud"])
    assert said["short"]["violations"]["method"] == "Wilson"
    assert said["short"]["violations"]["low"] < 1.0


def test_judgments_are_counted_once_and_held_against_label_and_others(project: Path) -> None:
    said = found(project)
    assert (said["kind"]["judged"], said["kind"]["unjudged"]) == (4, 0)
    assert (said["short"]["judged"], said["short"]["unjudged"]) == (3, 1)
    assert (said["loud"]["judged"], said["loud"]["unjudged"]) == (4, 0)
    assert share(said["kind"]["won"]) == (3, 4)
    assert share(said["loud"]["won"])[0] >= 1
    assert share(said["loud"]["decisive"]) == (1, 4)
    assert share(said["kind"]["decisive"]) == (0, 4)
    assert said["kind"]["agrees"]["n"] == 4


def test_the_labels_without_a_principle_are_those_of_the_others(project: Path) -> None:
    chosen = {}
    for name in ("labels[without=null]", "labels[without=loud]"):
        chosen[name] = {row["prompt"][0]["content"]: row["chosen"][-1]["content"] for row in table(project, name)}
    assert chosen["labels[without=null]"]["loud"] == "BAD LOUD"
    assert chosen["labels[without=loud]"]["loud"] == "GOOD"
    assert not [row for row in table(project, "votes[without=loud]") if row["principle"] == "loud"]


def test_a_cell_asks_nothing_that_another_has_asked(project: Path) -> None:
    events = [json.loads(line) for line in (project / "runs/counted/events.jsonl").read_text().splitlines()]
    votes = [e for e in events if e["type"] == "step_finished" and e["step"].startswith("votes")]
    assert sum(e["calls"] for e in votes) == 4 * 3 * 2 + 4 * 2 * 2
    assert sum(e["calls"] - e["calls_reused"] for e in votes) == 4 * 3 * 2


def test_what_is_said_to_people(project: Path) -> None:
    said = call("--root", str(project / "runs")).stdout
    assert said.splitlines()[0].split() == [
        "principle",
        "drawn",
        "violations",
        "changed",
        "won",
        "agrees",
        "decisive",
        "unjudged",
    ]
    assert "0.25 [0.05, 0.70] n 4" in said


def test_an_unknown_principle_cannot_be_left_out(project: Path) -> None:
    with pytest.raises(SpecError) as caught:
        call(
            str(project / "spec.yaml"),
            "--root",
            str(project / "runs"),
            "--set",
            "stages.critique.with={without: lowd}",
            of=run,
        )
    assert "lowd" in str([d.message for d in caught.value.diagnostics])


def test_mistakes_are_the_users(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run `x`"):
        call("x", "--root", str(project / "runs"))
    with pytest.raises(UserError, match="no runs"):
        call("--root", str(tmp_path))


def test_the_shipped_leave_one_out_names_every_principle() -> None:
    from constitutional.constitution.read import read_constitution

    spec = SPECS / "leave-one-out.yaml"
    assert call(str(spec), of=check).return_value == 0
    ids = [p.id for p in read_constitution(SPECS / "constitutions" / "support-agent.yaml")]
    assert all(f"- {id}\n" in spec.read_text() for id in ids)
