"""A tiny run with a judge that prefers good answers to bad ones, and people who fill in sheets."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import CliRunner

from constitutional.audit.sample import read_key
from constitutional.cli.audit import audit

SPEC = r"""
constitutional: 1
name: tiny
seed: 3
constitution: rules.yaml
models:
  m:
    backend: scripted
    rules:
      - {when: 'mute[\s\S]*kinder[\s\S]*one letter', unanswered: refused}
      - {when: '\(A\) good[\s\S]*\(B\) [^g][\s\S]*one letter', choose: {A: 0.96, B: 0.04}}
      - {when: '\(A\) [^g][\s\S]*\(B\) good[\s\S]*one letter', choose: {A: 0.08, B: 0.92}}
      - {when: 'one letter', choose: {A: 0.5, B: 0.5}}
      - {say: ['good answer', 'bad answer', 'bad reply', '=cmd|x!A1']}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  pairs: {generator: pair, model: m, prompts: prompts, with: {temperature: 1.0}}
  votes: {labeller: multiple-choice, model: m, pairs: pairs, with: {principles: all}}
  labels: {debiaser: position-swap, votes: votes}
"""
RULES = """
constitution: 1
name: rules
principles:
  - {id: kind, compare: Which reply is kinder?}
  - {id: useful, compare: Which reply is more useful?}
"""
HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(1)> \u202e\x1b[2J @DATA@ @POLICY@ &amp; \u2028"

Person = Callable[[Mapping[str, str]], str]


def project(folder: Path, n: int = 60) -> Path:
    rows = [{"prompt": f"question {number}"} for number in range(n)]
    rows += [{"prompt": f"mute {number}"} for number in range(4)] + [{"prompt": HOSTILE}]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "rules.yaml").write_text(RULES)
    (folder / "spec.yaml").write_text(SPEC)
    return folder / "spec.yaml"


def careful(row: Mapping[str, str]) -> str:
    """Sees good and bad as the judge does."""
    a, b = (row[name].lstrip("'").startswith("good") for name in "AB")
    return "tie" if a == b else "A" if a else "B"


def contrary(row: Mapping[str, str]) -> str:
    return {"A": "B", "B": "A", "tie": "tie"}[careful(row)]


def filled(sheet: Path, name: str, person: Person) -> Path:
    """The sheet as a person gives it back, saved by a spreadsheet under a name of its own."""
    rows = list(csv.DictReader(sheet.open(newline="", encoding="utf-8")))
    made = sheet.with_name(f"{sheet.stem}.{name}.csv")
    with made.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, rows[0])
        out.writeheader()
        out.writerows({**row, "verdict": person(row)} for row in rows)
    return made


def call(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False, catch_exceptions=False)


def drawn(here, *more, step="votes", run="tiny", out="s.csv"):
    said = call(audit, "sample", run, step, "-o", out, *more).output
    return here / out, read_key(here / "s.key.json"), said


def imported(here, *files, more=()):
    call(
        audit,
        "import",
        *files,
        "--key",
        "s.key.json",
        "-o",
        "sv.jsonl",
        "--preferences",
        "sp.jsonl",
        "--report",
        "sr.json",
        "--force",
        *more,
    )
    return json.loads((here / "sr.json").read_text())
