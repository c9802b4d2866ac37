"""Online AI feedback in a run: the model in the box answers, the model in the box rates, DPO learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.running import jsonl, ran

SPEC = """\
constitutional: 1
name: online
seed: 3
constitution: rules.yaml
models:
  agent: {backend: transformers, model: builtin:support-agent}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  policy:
    trainer: online-dpo
    model: agent
    prompts: prompts
    judge: agent
    with:
      rollout_batch: 4
      batch_size: 4
      iterations: 2
      group_size: 3
      max_new_tokens: 12
      label_temperature: 0.1
      learning_rate: 1e-4
      reward: {weighted: [{of: {judge: {min_mass: 0}}, weight: 1.0}, {of: {rules: {min_words: 4}}, weight: 0.1}]}
"""


@pytest.mark.slow
def test_a_judge_compares_while_the_policy_learns(tmp_path: Path) -> None:
    rows = [{"prompt": f"Where is order {i}?"} for i in range(4)]
    (tmp_path / "prompts.jsonl").write_text(jsonl(rows))
    (tmp_path / "rules.yaml").write_text("constitution: 1\nname: r\nprinciples: [{id: k, rule: Be kind.}]\n")
    (tmp_path / "spec.yaml").write_text(SPEC)
    folder = ran(tmp_path / "spec.yaml").folder("policy")
    figures = json.loads((folder / "training.json").read_text())
    assert figures["iterations"] == 2
    assert figures["pairs"] + figures["ties"] + figures["unpaired"] == 8
    assert figures["pairs"] > 0
    assert figures["score"]["n"] == 12
    lines = [json.loads(line) for line in (folder / "training_log.jsonl").read_text().splitlines()]
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert all(0.5 <= line["p_chosen"] < 1 for line in lines if line["pairs"])
    assert (folder / "model.safetensors").is_file()
