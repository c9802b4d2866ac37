"""A preview runs the first rows and no more, and an estimate scales what it counted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from constitutional.cli.plan import plan
from constitutional.cli.preview import preview
from constitutional.cli.run import run
from constitutional.errors import UserError

SPEC = """
constitutional: 1
name: small
constitution: rules.yaml
models:
  m: {backend: scripted, rules: [{when: 'Critique request', say: 'It is rude.'}, {when: 'Revision', say: 'A kind answer.'}, {say: ['Go.', 'Why?', 'No.']}]}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  parts: {transform: split, rows: prompts, with: {parts: {a: 0.5, b: 0.5}}}
  draft: {generator: sample, model: m, prompts: prompts, with: {n: 2}}
  critique: {critic: principle, model: m, responses: draft}
  revise: {reviser: rewrite, model: m, critiques: critique}
"""
ROWS = 40


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text(
        "".join(json.dumps({"prompt": f"question {i}"}) + "\n" for i in range(ROWS))
    )
    (tmp_path / "rules.yaml").write_text("constitution: 1\nname: rules\nprinciples:\n  - {id: kind, rule: Be kind.}\n")
    (tmp_path / "spec.yaml").write_text(SPEC)
    return "spec.yaml"


def call(command, *words):
    return CliRunner().invoke(command, list(words), standalone_mode=False, catch_exceptions=False)


def test_a_preview_shows_a_few_rows_of_every_end(spec):
    lines = [
        json.loads(line)
        for line in call(preview, spec, "-n", "5", "--json").output.splitlines()
        if line.startswith("{")
    ]
    assert {line["step"] for line in lines} == {"parts.a", "parts.b", "revise"}
    revised = [line["row"] for line in lines if line["step"] == "revise"]
    assert len(revised) == 5
    assert all(row["rounds"][0]["critique"] == "It is rude." for row in revised)


def test_a_run_after_a_preview_does_everything_and_asks_only_for_the_rest(spec):
    call(preview, spec, "-n", "5")
    call(run, spec, "--plain")
    events = [json.loads(line) for line in Path("runs/small/events.jsonl").read_text().splitlines()]
    drafts = next(e for e in events if e["type"] == "step_finished" and e["step"] == "draft")
    assert (drafts["rows_in"], drafts["calls"], drafts["calls_reused"]) == (ROWS, 2 * ROWS, 10)


def test_an_estimate_needs_a_preview_and_then_scales_it(spec):
    with pytest.raises(UserError, match="nothing to estimate from"):
        call(plan, spec, "--estimate")
    call(preview, spec, "-n", "5")
    said = json.loads(call(plan, spec, "--estimate", "--json").output)
    assert said["prompts"]["rows"] == ROWS
    assert said["draft"]["calls"] == 2 * ROWS
    assert said["critique"]["rows"] == 2 * ROWS
    assert "in all" in call(plan, spec, "--estimate").output
    call(run, spec, "--plain")
    done = json.loads(call(plan, spec, "--estimate", "--json").output)
    assert all(step["calls"] == 0 and step["basis"] == "done" for step in done.values())
