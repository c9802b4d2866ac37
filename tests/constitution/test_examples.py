"""`constitutional test`: a judge before the examples of principles."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from constitutional.api import Pair, Vote, user
from constitutional.cli.run import run as run_command
from constitutional.cli.test import test as command
from constitutional.errors import GateFailed, SpecError, UserError
from constitutional.report.examples import examine

SPECS = Path(__file__).resolve().parents[2] / "specs"
RULES = """
constitution: 1
name: rules
principles:
  - id: kind
    compare: Which reply is kinder?
    examples:
      - {prompt: Hi., better: Hello GOOD., worse: Go away.}
      - {prompt: Bye., better: Take care GOOD., worse: At last.}
  - id: short
    weight: 0
    compare: Which reply is shorter?
    examples: [{prompt: Tell me., better: No., worse: Let me think about it.}]
  - {id: bare, rule: Be useful.}
"""
#: Knows that GOOD is better by kindness; by shortness it takes whatever stands first.
JUDGE = """{backend: scripted, rules: [
  {when: '(?s)kinder.*\\(A\\)[^\\n]*GOOD', choose: {A: 0.9, B: 0.1}}, {when: kinder, choose: {A: 0.2, B: 0.8}},
  {when: shorter, choose: {A: 0.8, B: 0.2}}, {say: x}]}"""
SPEC = """
constitutional: 1
name: small
constitution: rules.yaml
models: {judge: %s}
data: {pairs: {source: jsonl, path: pairs.jsonl, records: pairs}}
stages:
  votes: {labeller: multiple-choice, model: judge, pairs: pairs, with: {principles: 1, groups: [principles], orders: fixed}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES)
    pair = {"prompt": "Hi.", "first": "Hello GOOD.", "second": "Go away."}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    (tmp_path / "spec.yaml").write_text(SPEC % JUDGE.replace("\n", " "))
    return tmp_path


def call(*words: str, with_command: click.Command = command):
    return CliRunner().invoke(with_command, list(words), standalone_mode=False, catch_exceptions=False)


def figures(*words: str) -> dict:
    return json.loads(call(*words, "--json").stdout)


def test_each_principle_gets_its_accuracy_and_its_confusion(folder: Path) -> None:
    found = figures("rules.yaml", "--judge", JUDGE)
    assert set(found["principles"]) == {"kind", "short"}
    kind, short = found["principles"]["kind"], found["principles"]["short"]
    assert (kind["accuracy"]["value"], kind["accuracy"]["n"], kind["accuracy"]["method"]) == (1.0, 2, "Wilson")
    assert 0.3 < kind["accuracy"]["low"] < 0.5
    assert kind["confusion"] == {"both right": 2}
    assert kind["verdict"] == "not told from chance"
    assert short["confusion"] == {"first both times": 1}
    assert (short["accuracy"]["value"], short["verdict"]) == (0.0, "cannot apply")
    assert short["logit_bias"] == pytest.approx(1.386294, abs=1e-5)
    assert abs(short["logit_margin"]) < 1e-6
    assert found["all"]["accuracy"]["n"] == 3
    assert found["judge"].startswith("scripted")


def test_what_is_said_to_people(folder: Path) -> None:
    said = call("rules.yaml", "--judge", JUDGE).stdout
    assert "1.00 [0.34, 1.00]  2" in said
    assert "cannot apply" in said
    assert "four examples" in said
    assert (folder / "runs" / "rules-examples" / "manifest.json").is_file()


def test_a_second_test_and_a_run_ask_nothing_twice(folder: Path) -> None:
    call("spec.yaml")
    events = folder / "runs" / "small-examples" / "events.jsonl"
    asked = [e for e in map(json.loads, events.read_text().splitlines()) if e["type"] == "step_finished"][-1]
    assert (asked["calls"], asked["calls_reused"]) == (6, 0)
    assert "[2/2]" not in call("spec.yaml").stdout
    call("spec.yaml", with_command=run_command)
    events = folder / "runs" / "small" / "events.jsonl"
    asked = [e for e in map(json.loads, events.read_text().splitlines()) if e["type"] == "step_finished"][-1]
    assert asked["step"] == "votes"
    assert asked["calls"] == 1
    (folder / "rules.yaml").write_text(RULES.replace("At last.", "Finally."))
    call("rules.yaml", "--judge", JUDGE)
    events = folder / "runs" / "rules-examples" / "events.jsonl"
    asked = [e for e in map(json.loads, events.read_text().splitlines()) if e["type"] == "step_finished"][-1]
    assert (asked["calls"], asked["calls_reused"]) == (6, 4)


def test_a_spec_is_tested_with_its_labeller_in_both_orders(folder: Path) -> None:
    assert figures("spec.yaml")["principles"] == figures("rules.yaml", "--judge", JUDGE)["principles"]


def test_one_principle_alone(folder: Path) -> None:
    assert set(figures("rules.yaml", "--judge", JUDGE, "--principle", "short")["principles"]) == {"short"}


def test_a_judge_who_says_nothing_is_unscored_not_wrong(folder: Path) -> None:
    found = figures("rules.yaml", "--judge", "{backend: scripted, rules: [{choose: {A: 0.001, B: 0.001}}]}")
    kind = found["principles"]["kind"]
    assert kind["accuracy"]["value"] is None
    assert (kind["accuracy"]["unscored"], kind["verdict"]) == (2, "unscored")
    assert kind["accuracy"]["reasons"] == {"low-mass": 2}
    assert (
        "2 low-mass"
        in call("rules.yaml", "--judge", "{backend: scripted, rules: [{choose: {A: 0.001, B: 0.001}}]}").stdout
    )


def test_a_gate_holds_every_principle(folder: Path) -> None:
    assert call("rules.yaml", "--judge", JUDGE, "--principle", "kind", "--require", "0.9").return_value == 0
    with pytest.raises(GateFailed, match=r"below 0\.9: short"):
        call("rules.yaml", "--judge", JUDGE, "--require", "0.9")


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["rules.yaml"], click.UsageError, "names no judge"),
        (["rules.yaml", "--judge", JUDGE, "--principle", "kin"], UserError, "no principle `kin`"),
        (["rules.yaml", "--judge", "{model: x}"], SpecError, "1 error"),
        (["rules.yaml", "--judge", "{backend: nothing}"], SpecError, "1 error"),
        (["rules.yaml", "--judge", "{backend: scripted, rulez: 3}"], SpecError, "error"),
        (["rules.yaml", "--judge", "[a]"], SpecError, "1 error"),
        (["spec.yaml", "--stage", "pairs"], UserError, "no step that turns pairs"),
        (["gone.yaml", "--judge", JUDGE], SpecError, "1 error"),
    ],
)
def test_mistakes_are_the_users(folder: Path, words: list[str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(*words)


def test_a_constitution_without_examples_cannot_be_tested(folder: Path) -> None:
    (folder / "bare.yaml").write_text("constitution: 1\nprinciples: [{id: a, rule: Be kind.}]\n")
    with pytest.raises(UserError, match="no examples"):
        call("bare.yaml", "--judge", JUDGE)


def test_principles_without_examples_are_named(folder: Path) -> None:
    assert "no examples, not tested: bare\n" in call("rules.yaml", "--judge", JUDGE).stdout
    assert figures("rules.yaml", "--judge", JUDGE)["without_examples"] == ["bare"]
    assert "not tested" not in call("rules.yaml", "--judge", JUDGE, "--principle", "kind").stdout


def vote(order: str, p: float | None, pair: str = "p") -> Vote:
    given = Pair(row_id=pair, prompt=(user("Hi."),), first="a", second="b", meta={"principle": "kind"})
    return given.derive(Vote, "labeller/test", 0, pair=pair, principle="kind", order=order, judge="j", p_first=p,
                        abstained=None if p is not None else "low-mass")  # fmt: skip


@pytest.mark.parametrize(
    ("ab", "ba", "right", "outcome"),
    [
        (0.9, 0.1, True, "both right"),
        (0.9, 0.6, True, "first both times"),
        (0.6, 0.9, False, "first both times"),
        (0.4, 0.1, True, "second both times"),
        (0.2, 0.8, False, "both wrong"),
        (0.5, 0.5, False, "even"),
        (0.9, None, None, "unscored"),
    ],
)
def test_both_orders_make_one_result(ab: float, ba: float | None, right: bool | None, outcome: str) -> None:
    (found,) = examine([vote("ab", ab), vote("ba", ba)])
    assert (found.right, found.outcome) == (right, outcome)


@pytest.mark.slow
def test_the_judge_in_the_box_applies_the_constitution_in_the_box(tmp_path: Path) -> None:
    found = figures(str(SPECS / "support-agent.yaml"), "--root", str(tmp_path))
    assert len(found["principles"]) == 7
    assert found["all"]["accuracy"]["n"] == 28
    assert found["all"]["accuracy"]["value"] >= 0.9
    assert not [id for id, said in found["principles"].items() if said["verdict"] == "cannot apply"]
