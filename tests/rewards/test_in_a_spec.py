"""A judge as a reward in a run: asked in the engine's process and in one of its own, it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.api import Response, Score
from tests.running import jsonl, ran

SPEC = """\
constitutional: 1
name: judged
seed: 3
constitution: rules.yaml
models:
  agent: {backend: transformers, model: builtin:support-agent}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  best:
    generator: best-of-n
    model: agent
    prompts: prompts
    judge: agent
    with:
      n: 2
      max_new_tokens: 8
      judge_template: ./rate.jinja
      reward: {hybrid: {column: kind, alphas: {a: 1.0, b: 0.5}, helpful: {judge: {min_mass: 0}}, harmless: {judge: {min_mass: 0, rule: Be safe.}}}}
  offline:
    labeller: reward
    responses: best
    judge: agent
    with:
      judge_template: ./rate.jinja
      reward: {hybrid: {column: kind, alphas: {a: 1.0, b: 0.5}, helpful: {judge: {min_mass: 0}}, harmless: {judge: {min_mass: 0, rule: Be safe.}}}}
"""
RATE = """\
---
inputs: [transcript, response, principle, low, high]
---
[user]
{{ principle.rule }} {{ transcript }} {{ response }} From {{ low }} to {{ high }}?
"""


@pytest.mark.slow
def test_the_judge_of_a_generator_is_the_judge_of_a_stage_of_its_own(tmp_path: Path) -> None:
    rows = [{"prompt": f"Where is order {i}?", "kind": "ab"[i % 2]} for i in range(4)]
    (tmp_path / "prompts.jsonl").write_text(jsonl(rows))
    (tmp_path / "rules.yaml").write_text(
        "constitution: 1\nname: r\nprinciples: [{id: k, rule: Be kind.}, {id: t, rule: Be true.}]\n"
    )
    (tmp_path / "rate.jinja").write_text(RATE)
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = ran(tmp_path / "spec.yaml")
    kept, every, offline = done.rows("best", Response), done.rows("best", Score, "scores"), done.rows("offline", Score)
    assert (len(kept), len(every), len(offline)) == (4, 8, 4)
    in_loop = {score.parents: score.score for score in every}
    assert [in_loop[row.parents] for row in offline] == pytest.approx([row.score for row in offline], abs=1e-4)
    assert len({round(row.score, 6) for row in every}) > 2
