"""A preview runs the first rows and no more, and an estimate scales what it counted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from constitutional.cli.plan import plan
from constitutional.cli.preview import preview
from constitutional.cli.run import run
from constitutional.errors import BudgetSpent, SpecError

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


def test_an_estimate_needs_no_preview_and_is_narrower_after_one(spec):
    said = estimated(spec)
    assert said["prompts"]["rows"] == [ROWS, ROWS]
    assert said["draft"]["calls"] == [2 * ROWS, 2 * ROWS]
    assert said["revise"]["calls"] == [0, 2 * ROWS]
    assert said["draft"]["known_from"] == "limits of the spec"
    assert said["draft"]["seconds"] == [0, None]
    call(preview, spec, "-n", "5")
    after = estimated(spec)
    assert after["revise"]["calls"][0] > ROWS
    assert after["draft"]["known_from"] == "preview of 5 rows; 10 calls of the preview"
    assert after["draft"]["seconds"][1] is not None
    assert "in all" in call(plan, spec, "--estimate").output
    call(run, spec, "--plain")
    done = estimated(spec)
    assert all(step["calls"] == [0, 0] and step["known_from"] == "done" for step in done.values())


def estimated(spec):
    said = json.loads(call(plan, spec, "--estimate", "--json").output)
    return {step["step"]: step for step in said["steps"]}


def test_a_split_before_the_first_question_sees_all_rows(spec):
    text = Path(spec).read_text().replace("model: m, prompts: prompts,", "model: m, prompts: parts.b,")
    Path(spec).write_text(text.replace("a: 0.5, b: 0.5", "a: 0.8, b: 0.2"))
    lines = [
        json.loads(line) for line in call(preview, spec, "-n", "3", "--json").output.splitlines() if line[0] == "{"
    ]
    assert {line["step"] for line in lines} == {"revise"}
    assert sum(line["step"] == "revise" for line in lines) == 3
    call(run, spec, "--plain")
    events = [json.loads(line) for line in Path("runs/small/events.jsonl").read_text().splitlines()]
    assert [e["step"] for e in events if e["type"] == "step_reused"] == ["prompts", "parts"]
    drafts = next(e for e in events if e["type"] == "step_finished" and e["step"] == "draft")
    assert drafts["calls_reused"] == 6


def test_what_fails_in_a_preview_is_shown_beside_the_rest(spec):
    text = (
        Path(spec)
        .read_text()
        .replace("{when: 'Critique request', say:", "{when: 'Critique request', unanswered: down, say:")
    )
    Path(spec).write_text(text)
    said = call(preview, spec, "-n", "2").output
    assert "critique: 4 unscored (down)" in said
    assert "== parts.a" in said
    assert "spent   6 calls, 12 tokens" in said


def test_a_preview_spends_from_the_budget_of_its_run(spec):
    Path(spec).write_text(Path(spec).read_text() + "budget: {calls: 20}\n")
    said = call(preview, spec, "-n", "2").output
    assert "budget: 20 calls" in said
    with pytest.raises(BudgetSpent, match="20 of 20 calls"):
        call(run, spec, "--plain")
    assert "goes beyond the budget: calls, 20" in call(plan, spec, "--estimate").output
    shown, ran = (
        json.loads(Path(f"runs/{name}/events.jsonl").read_text().splitlines()[-1])["spending"]
        for name in ("small-preview", "small")
    )
    assert shown["now"]["calls"] + ran["now"]["calls"] == ran["life"]["calls"] == 20
    done = call(run, spec, "--plain", "--set", "budget.calls=240").output
    assert "240 calls" in done
    assert "in all" in done


def test_the_prices_of_a_file_are_in_the_estimate_and_the_summary(spec):
    Path("mine.yaml").write_text("as_of: 2026-01-01\nprices: {'script*': {input: 100, output: 1000}}\n")
    said = call(plan, spec, "--estimate", "--prices", "mine.yaml").output
    assert "prices change; those of m (mine.yaml of 2026-01-01) are from a list" in said
    assert "$" in call(run, spec, "--plain", "--prices", "mine.yaml").output.splitlines()[-1]
    Path("mine.yaml").write_text("prices: {m: {input: -1}}\n")
    with pytest.raises(SpecError):
        call(plan, spec, "--estimate", "--prices", "mine.yaml")
