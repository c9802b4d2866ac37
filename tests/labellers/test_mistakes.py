"""Mistakes in labellers' parameters are found before anything runs, each once, at its place, with the way out."""

from pathlib import Path

import pytest

from constitutional.cli.opening import open_spec
from constitutional.errors import SpecError
from constitutional.spec.render import render
from tests.labellers.running import write

PAIRS = "model: judge, pairs: pairs"


@pytest.mark.parametrize(("stage", "said", "marked"), [
    ("labeller: rules, pairs: pairs, with: {checks: [{check: pattrn, pattern: x}]}", "did you mean `pattern`?", "pattrn"),
    ("labeller: rules, pairs: pairs, with: {checks: [{check: length, mst: 3}]}", "did you mean `most`?", "mst"),
    ("labeller: rules, pairs: pairs, with: {checks: [{pattern: x}]}", "`checks.0` needs 'check'", "{pattern: x}"),
    ("labeller: rules, pairs: pairs, with: {checks: []}", "`checks` is empty", "checks: ["),
    ("labeller: rules, pairs: pairs, with: {checks: [{check: pattern, pattern: (?=x)}]}", "no regular expression of RE2", "{checks"),
    (f"labeller: multiple-choice, {PAIRS}, with: {{shots: [{{prompt: a, better: c}}]}}", "`shots.0.worse` is missing", "{prompt: a, better: c}"),
    (f"labeller: multiple-choice, {PAIRS}, with: {{shots: many}}", "`shots` must be", "many"),
    (f"labeller: multiple-choice, {PAIRS}, with: {{shots: [{{prompt: a, bettr: c, worse: d}}]}}", "did you mean `better`?", "bettr"),
    (f"labeller: chain-of-thought, {PAIRS}, with: {{samples: 3}}", "give a temperature", "samples"),
    (f"labeller: chain-of-thought, {PAIRS}, with: {{refusal: (}}", "not a regular expression", "("),
    ("labeller: score, model: judge, responses: answers, with: {low: 5, high: 5}", "`low` must be less than `high`", "low"),
    ("labeller: human, pairs: pairs, with: {file: vote.csv}", "did you mean `votes.csv`?", "vote.csv"),
    ("labeller: multiple-choice, pairs: pairs", "needs `model`", "it"),
])  # fmt: skip
def test_a_mistake_is_said_where_it_is(tmp_path: Path, stage: str, said: str, marked: str) -> None:
    with pytest.raises(SpecError) as caught:
        open_spec(write(tmp_path, f"stages:\n  it: {{{stage}}}\n", votes="pair,verdict,annotator\n"), ())
    text = render(caught.value.diagnostics)
    assert said in text
    found = [d for d in caught.value.diagnostics if d.code != "missing-parameter"]
    assert all(marked in d.span.source.line(d.span.line) for d in caught.value.diagnostics)
    assert found
    assert any(d.span.source.line(d.span.line)[d.span.column - 1 :].startswith(marked) for d in found), text
