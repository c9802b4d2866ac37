"""The model in the box behind `transformers serve`: a real server that ignores `logprobs` with status 200."""

import json

import pytest

from constitutional.store.artifacts import ROWS
from constitutional.store.columns import read_rows
from tests.remote.support import events, run_spec

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
pytest.importorskip("requests")

SPEC = """\
constitutional: 1
name: remote
constitution: rules.yaml
models:
  agent: {backend: server, engine: transformers, model: builtin:support-agent, concurrency: 4, args: [--device, cpu]}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  pairs: {generator: pair, model: agent, prompts: prompts, with: {max_new_tokens: 40, temperature: 1.0}}
  votes: {labeller: multiple-choice, model: agent, pairs: pairs, with: {orders: both}}
limits: {max_failures: 1.0}
"""
RULES = """\
constitution: 1
name: rules
principles:
  - {id: secrets, critique: Say where the reply asks for a secret., compare: Which reply asks the customer for less sensitive data?}
"""


def test_the_model_in_the_box_is_served_and_what_the_server_lacks_is_noticed(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    asked = [
        "I forgot my password. Can you let me back in?",
        "Where is order 4711?",
        "My card was charged twice for order 1234. Please refund me.",
    ]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in asked))
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    result = run_spec(spec, tmp_path / "runs")
    assert result.status == "finished"
    said = [event["said"] for event in events(tmp_path / "runs", "model_notice")]
    assert any("no log-probabilities" in words for words in said)
    finished = {event["step"]: event for event in events(tmp_path / "runs", "step_finished")}
    assert sum(finished["pairs"]["ledger"].values()) == 3
    from constitutional.records import Pair, Vote

    pairs = list(read_rows(tmp_path / "runs" / "remote" / "steps" / "pairs" / "main" / ROWS, Pair))
    votes = list(read_rows(tmp_path / "runs" / "remote" / "steps" / "votes" / "main" / ROWS, Vote))
    assert all(pair.first != pair.second for pair in pairs)
    assert all(vote.abstained or "parsed" in vote.raw for vote in votes)
    assert finished["votes"]["rows_in"] == len(pairs) == finished["pairs"]["rows_out"]
