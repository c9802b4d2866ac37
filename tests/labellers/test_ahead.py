"""What labellers say of their calls beforehand holds when they are run."""

import json

import pytest

from constitutional.cli.opening import open_spec
from constitutional.engine.run import run
from constitutional.plan.estimate import estimate
from constitutional.plan.prices import Prices
from constitutional.store.folder import Store

SPEC = """
constitutional: 1
name: judged
constitution: rules.yaml
models:
  m: {backend: scripted, rules: [{say: ['Go.', 'Why?', 'No, thank you.'], choose: {A: 0.7, B: 0.2, Yes: 0.6, No: 0.3, '1': 0.5, '2': 0.4}}]}
  j: {backend: scripted, model: other, rules: [{say: ['It is kind, so', 'It is rude, so'], choose: {A: 0.4, B: 0.5, Yes: 0.6, No: 0.3, '1': 0.2, '2': 0.7}}]}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  pairs: {generator: pair, model: m, prompts: prompts, with: {temperature: 1.0}}
  one: {generator: sample, model: m, prompts: prompts}
"""
STAGES = [
    "{labeller: multiple-choice, models: {a: m, b: j}, pairs: pairs, with: {principles: 2}}",
    "{labeller: multiple-choice, model: m, pairs: pairs, with: {orders: random, principles: all}}",
    "{labeller: chain-of-thought, model: j, pairs: pairs, with: {samples: 2, temperature: 1.0}}",
    "{labeller: score, model: j, responses: one, with: {principles: 2}}",
    "{labeller: acceptable, models: {a: m, b: j}, responses: one}",
]
RULES = "constitution: 1\nname: rules\nprinciples:\n  - {id: kind, rule: Be kind.}\n  - {id: safe, rule: Be safe.}\n"


@pytest.mark.parametrize("stage", STAGES)
def test_calls_and_rows_lie_within_what_was_foretold(tmp_path, stage):
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(12)))
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "spec.yaml").write_text(f"{SPEC}  judged: {stage}\nlimits: {{max_failures: 1000}}\n")
    (one,) = open_spec(tmp_path / "spec.yaml", ())
    store = Store(tmp_path / "runs")
    run(one.plan, one.registry, store, say=lambda text: None)
    done = store.artifacts.finished(one.plan["judged"].fingerprint)
    store.artifacts.remove(one.plan["judged"].fingerprint)
    store.journal.close()
    (tmp_path / "runs" / ".store" / "journal.sqlite").unlink()
    said = {step.name: step for step in estimate(one.plan, Store(tmp_path / "runs"), Prices()).steps}["judged"]
    assert said.calls.low <= done.calls <= said.calls.high
    assert said.calls.high <= 2 * done.calls
    assert said.rows == (done.outputs[""].rows, done.outputs[""].rows)
