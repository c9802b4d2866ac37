"""A small pipeline on a server, run in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from constitutional.engine.run import Result
from tests.running import jsonl, ran

SPEC = """\
constitutional: 1
name: remote
seed: 3
models:
  m: {{backend: openai, model: m, base_url: "{url}"{params}}}
data:
  prompts: {{source: jsonl, path: prompts.jsonl}}
stages:
  draft:  {{generator: sample, model: m, prompts: prompts, with: {{max_new_tokens: 16}}}}
  redo:   {{generator: sample, model: m, prompts: draft, with: {{max_new_tokens: 17, system: again}}}}
limits: {{max_failures: {max_failures}}}
"""


def write(folder: Path, url: str, rows: int, max_failures: float = 0.0, **params: Any) -> Path:
    """The spec and its data in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "prompts.jsonl").write_text(jsonl({"prompt": f"prompt {i}"} for i in range(rows)))
    more = "".join(f", {name}: {json.dumps(value)}" for name, value in params.items())
    spec = folder / "spec.yaml"
    spec.write_text(SPEC.format(url=url, params=more, max_failures=max_failures))
    return spec


def run_spec(spec: Path, root: Path) -> Result:
    """Run a spec in this process."""
    return ran(spec, root).result


def events(root: Path, kind: str) -> list[dict[str, Any]]:
    lines = (root / "remote" / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["type"] == kind]


def artifacts(root: Path) -> dict[str, bytes]:
    """The bytes of every finished row file, by its place in the store."""
    store = root / ".store" / "artifacts"
    return {str(path.relative_to(store)): path.read_bytes() for path in sorted(store.rglob("rows.parquet"))}
