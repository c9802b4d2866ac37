"""Debiasers as a user meets them: in a spec, with marks under mistakes, through a run, down to a trainer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import Preference, Vote
from constitutional.errors import SpecError
from constitutional.plugins import Registry
from constitutional.spec.check import load_checked
from constitutional.spec.schema import schema
from constitutional.store.columns import read_rows
from tests.debiasers.support import judged

HEAD = """constitutional: 1
name: labels
constitution: book.yaml
data:
  votes: {source: jsonl, path: votes.jsonl, records: votes}
  people: {source: jsonl, path: people.jsonl, records: preferences}
stages:
"""
BOOK = """constitution: 1
name: book
groups: {safety: {priority: 1}, style: {priority: 2}}
principles:
  - {id: kind, group: safety, rule: Be kind.}
  - {id: brief, group: style, rule: Be brief.}
"""


def columns(row: Any) -> dict[str, Any]:
    plain = row.to_row()
    return {
        name: value for name, value in plain.items() if name not in ("row_id", "parents", "meta") and value is not None
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    votes, people = judged(60, bias=1.0, stretch=2.0)
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(columns(v)) + "\n" for v in votes))
    (tmp_path / "people.jsonl").write_text("".join(json.dumps(columns(p)) + "\n" for p in people))
    (tmp_path / "book.yaml").write_text(BOOK)
    return tmp_path


def found(project: Path, *lines: str) -> list[tuple[str, str, int, str]]:
    """Mistakes: code, message, place in the line of `lines`, and the mark's label."""
    (project / "spec.yaml").write_text(HEAD + "".join(f"  {line}\n" for line in lines))
    try:
        load_checked(project / "spec.yaml", Registry(), environ={})
    except SpecError as error:
        return [(d.code, d.message, d.span.column - 3, d.label) for d in error.diagnostics]
    return []


def test_every_debiaser_stands_alone_where_the_types_fit(project: Path) -> None:
    assert not found(
        project,
        "a: {debiaser: calibrate, rows: votes, audit: people}",
        "b: {debiaser: clamp, rows: a, with: {by: 0.1}}",
        "c: {debiaser: position-swap, votes: b, audit: people}",
        "d: {debiaser: length, preferences: c}",
        "e: {debiaser: abstain, rows: d}",
        "f: {debiaser: balance, rows: e}",
        "g: {debiaser: ensemble, votes: [a, votes], with: {method: dawid-skene}}",
        "h: {debiaser: priority, votes: votes}",
        "i: {debiaser: clamp, rows: f.dropped}",
    )


@pytest.mark.parametrize(("line", "code", "mark", "label"), [
    ("{debiaser: compose, rows: votes, with: {steps: [{clam: {}}]}}", "unknown-parameter", "clam", "did you mean `clamp`?"),
    ("{debiaser: compose, rows: votes, with: {steps: [clam]}}", "unknown-parameter", "clam", "did you mean `clamp`?"),
    ("{debiaser: compose, rows: votes, with: {steps: [{abstain: {marjin: 0.1}}]}}", "unknown-parameter", "marjin", "did you mean `margin`?"),
    ("{debiaser: compose, rows: votes, with: {steps: [{ensemble: {method: meen}}]}}", "parameter", "meen", "did you mean `mean`?"),
    ("{debiaser: compose, rows: votes, with: {steps: [clamp, {abstain: {margin: 2}}]}}", "parameter", "2}", ""),
    ("{debiaser: compose, rows: votes, with: {steps: [position-swap, {ensemble: {}}]}}", "parameter", "{ensemble", ""),
    ("{debiaser: compose, rows: people, with: {steps: [position-swap]}}", "wrong-type", "people", ""),
    ("{debiaser: length, preferences: votes}", "wrong-type", "votes", ""),
    ("{debiaser: clamp, rows: votes, audit: votes}", "wrong-type", "votes}", ""),
    ("{debiaser: priority, votes: votes, with: {groups: [safty]}}", "unknown-name", "safty", "did you mean `safety`?"),
    ("{debiaser: compose, rows: votes, with: {steps: [{priority: {groups: [safty]}}]}}", "unknown-name", "safty", "did you mean `safety`?"),
])  # fmt: skip
def test_mistakes_are_marked_where_they_are(project: Path, line: str, code: str, mark: str, label: str) -> None:
    ((said, _, column, shown),) = found(project, f"a: {line}")
    assert (said, shown) == (code, label)
    assert f"a: {line}"[column:].startswith(mark)


def test_votes_of_people_are_told_how_they_become_an_audit(project: Path) -> None:
    ((_, message, _, _),) = found(project, "a: {debiaser: position-swap, votes: votes, audit: votes}")
    assert "audit import --preferences" in message


def test_the_list_of_the_documentation_is_right(project: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "labels.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (block,) = [block.partition("stages:\n")[2] for block in blocks if "debiaser: compose" in block]
    assert not found(project, *(line.removeprefix("  ") for line in block.splitlines()))


def test_a_missing_audit_is_found_before_anything_runs(project: Path) -> None:
    ((code, message, column, _),) = found(
        project, "a: {debiaser: compose, rows: votes, with: {steps: [calibrate, position-swap]}}"
    )
    assert (code, column) == ("missing-input", 0)
    assert "step 1: `calibrate` needs `audit`" in message


def test_editors_are_told_the_names_of_steps_and_their_parameters() -> None:
    made = schema(Registry())
    case = next(
        c
        for c in made["definitions"]["stage"]["allOf"]
        if c["if"]["properties"].get("debiaser") == {"const": "compose"}
    )
    items = json.dumps(case["then"]["properties"]["with"]["properties"]["steps"]["items"])
    name = json.loads(items)["$ref"].removeprefix("#/definitions/").replace("~1", "/") if "$ref" in items[:10] else None
    step = made["definitions"][name] if name else json.loads(items)
    shape, names = step["anyOf"]
    assert "position-swap" in names["enum"]
    assert set(names["enum"]) == set(shape["properties"])
    assert shape["additionalProperties"] is False


# -- a run -----------------------------------------------------------------------------------------------------------


def run(project: Path, *lines: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any], Path]:
    (project / "spec.yaml").write_text(HEAD + "".join(f"  {line}\n" for line in lines))
    tool = [sys.executable, "-m", "constitutional.cli.main", "run", "spec.yaml"]
    done = subprocess.run(tool, cwd=project, capture_output=True, text=True, check=False)
    folder = project / "runs" / "labels"
    assert (folder / "report.json").exists(), done.stderr
    return done, json.loads((folder / "report.json").read_text()), folder


STEPS = "[{calibrate: {}}, {position-swap: {margin: 0}}, length, {abstain: {margin: 0.1}}]"


def test_labels_of_a_run_reach_a_trainer_with_their_probabilities(project: Path) -> None:
    """From votes in a file to the rows that DPO and the reward model learn from."""
    from constitutional.builtin.backends.encoding import DialogueEncoder
    from constitutional.builtin.trainers.preferences import pairs
    from constitutional.builtin.trainers.training import tokenizer_of
    from constitutional.embedded import path
    from tests.stages_support import Memory

    done, report, folder = run(
        project,
        f"labels: {{debiaser: compose, rows: votes, audit: people, with: {{steps: {STEPS}}},"
        " require: {coverage: {min: 0.2}, after.accuracy: {min: 0.5}}}",
    )
    assert done.returncode == 0, done.stderr
    figures = report["figures"]["labels"]
    assert figures["steps"][0]["maps"]["all"]["temperature"]["value"] == pytest.approx(2.0, rel=0.5)
    rows = list(read_rows(folder / "steps" / "labels" / "main" / "rows.parquet", Preference))
    assert rows
    assert len({row.p_chosen for row in rows}) > len(rows) / 2
    left = list(read_rows(folder / "steps" / "labels" / "abstained" / "rows.parquet", Vote))
    assert len(left) + 2 * len(rows) == 120
    tokenizer = tokenizer_of(str(path("support-agent")))
    train, dropped = pairs(Memory({"preferences": [rows]}), DialogueEncoder(tokenizer), 512, soft=True)
    assert not dropped
    assert [row["p_chosen"] for row in train] == [row.p_chosen for row in rows]


def test_a_warning_is_shown_and_a_gate_can_fail(project: Path) -> None:
    done, report, _ = run(project, "labels: {debiaser: position-swap, votes: votes, require: {same_position: {max: 0.01}}}",
                          "even: {debiaser: length, preferences: labels, with: {min_pairs: 1000}}")  # fmt: skip
    assert done.returncode == 1
    assert "warning  even: 59 preferences, fewer than 1000" in done.stdout
    assert report["failed_gates"]
    assert "fewer than 1000" in report["figures"]["even"]["warning"]
    assert report["figures"]["labels"]["logit_bias"]["value"] == pytest.approx(1.0, abs=1e-3)


def test_changing_a_priority_makes_the_labels_stale(project: Path) -> None:
    from constitutional.plan.make import plan

    def mark() -> str:
        (project / "spec.yaml").write_text(
            HEAD + "  a: {debiaser: priority, votes: votes}\n  b: {debiaser: position-swap, votes: votes}\n"
        )
        registry = Registry()
        made = plan(load_checked(project / "spec.yaml", registry, environ={}), registry)
        return made.steps["a"].fingerprint

    before = mark()
    (project / "book.yaml").write_text(BOOK.replace("{priority: 2}", "{priority: 1}"))
    assert mark() != before
