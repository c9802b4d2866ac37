"""Short ways to specs for tests."""

from __future__ import annotations

from pathlib import Path

from constitutional.errors import SpecError
from constitutional.spec.check import Checked, load_checked
from constitutional.spec.yamltree import Node, plain
from tests.spec.toy import registry

ENVIRON = {"JUDGE_URL": "http://localhost", "JUDGE_KEY": "secret"}
HEAD = """\
constitutional: 1
models:
  agent: {backend: transformers, model: builtin:support-agent}
data:
  rows: {source: jsonl, path: rows.jsonl}
  prefs: {source: jsonl, path: rows.jsonl, records: preferences}
stages:
"""


def write(folder: Path, text: str, name: str = "spec.yaml") -> Path:
    """A spec in a folder that has the files it names."""
    (folder / "rows.jsonl").write_text('{"prompt": "Hello"}\n')
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def look(path: Path, *sets: str) -> Checked:
    """A spec that must be good."""
    return load_checked(path, registry(), sets, environ=ENVIRON)


def codes(path: Path, *sets: str) -> list[str]:
    """The codes of everything that is wrong with a spec, in order."""
    try:
        look(path, *sets)
    except SpecError as error:
        return [found.code for found in error.diagnostics]
    return []


def said(node: Node | None) -> object:
    return None if node is None else plain(node)
