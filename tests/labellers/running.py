"""Small specs of labellers with the files that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.running import jsonl

CONSTITUTION = """\
constitution: 1
name: test
principles:
  - {id: no-secrets, rule: Never ask for a password., compare: Which reply asks for less?,
     examples: [{prompt: Let me in, better: I have sent a reset link., worse: Tell me your password.}]}
  - {id: be-kind, rule: Be kind., compare: Which reply is kinder?,
     examples: [{prompt: Hello, better: Good morning!, worse: What now?}]}
"""

PAIRS: Sequence[Mapping[str, Any]] = (
    {"prompt": "I am locked out", "first": "Use the reset link.", "second": "Tell me your password.", "item": 0},
    {"prompt": "My card?", "first": "It ends with 4111 1111 1111 1111.", "second": "I cannot show it.", "item": 1},
    {"prompt": "Hello", "first": "Good morning!", "second": "What now?", "item": 2},
)
ANSWERS: Sequence[Mapping[str, Any]] = (
    {"prompt": "Why is 2 + 2 = 4?", "completion": "Count two.\n\nCount two more.\n\nThat makes four.", "item": 0},
    {"prompt": "My card?", "completion": "It is 4111 1111 1111 1111.", "item": 1},
    {"prompt": "How?", "completion": "```python\nimport subprocess\nsubprocess.call(x, shell=True)\n```", "item": 2},
)

#: A judge that finds passwords bad, likes the first place a little, and reasons where it is asked to.
JUDGE = """{backend: scripted, rules: [
    {when: "not answer yet", say: "The second asks for less."},
    {when: '(?s)\\(A\\).*password.*\\(B\\)', choose: {A: 0.1, B: 0.9}},
    {when: '(?s)\\(B\\).*password', choose: {A: 0.95, B: 0.05}},
    {when: '\\(A\\)|one letter', choose: {A: 0.6, B: 0.4}},
    {when: "Rate it", choose: {"7": 0.5, "8": 0.5}},
    {when: "Yes or No", choose: {"Yes": 0.8, "No": 0.2}}]}"""

HEAD = """\
constitutional: 1
name: labels
seed: 5
constitution: constitution.yaml
models:
  judge: {judge}
  strict: {judge}
  mild: {judge}
data:
  pairs: {{source: jsonl, path: pairs.jsonl, records: pairs}}
  answers: {{source: jsonl, path: answers.jsonl, records: responses}}
"""


def write(
    folder: Path, stages: str, pairs: Sequence[Mapping[str, Any]] = PAIRS, judge: str = JUDGE, **files: str
) -> Path:
    """The spec and what it reads; `files` by name without ending."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "constitution.yaml").write_text(CONSTITUTION)
    for name, rows in (("pairs", pairs), ("answers", ANSWERS)):
        (folder / f"{name}.jsonl").write_text(jsonl(rows))
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    spec = folder / "spec.yaml"
    spec.write_text(HEAD.replace("{{", "{").replace("}}", "}").replace("{judge}", judge) + stages)
    return spec
