"""Specs run in this process as a user would run them: checks, plan, engine, store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from constitutional.api import MAIN, Record
from constitutional.cli.opening import open_spec
from constitutional.engine.run import Result, run
from constitutional.plan.step import Plan
from constitutional.store.artifacts import ROWS
from constitutional.store.columns import read_rows
from constitutional.store.folder import Store


class Ran:
    """What a run left."""

    def __init__(self, plan: Plan, store: Store, result: Result) -> None:
        self.plan = plan
        self.result = result
        self.root = store.root
        self._store = store

    def folder(self, step: str, output: str = MAIN) -> Path:
        return self._store.artifacts.path(self.plan[step].fingerprint, output)

    def rows(self, step: str, record: type[Record], output: str = MAIN) -> list[Any]:
        return list(read_rows(self.folder(step, output) / ROWS, record))

    def ledger(self, step: str) -> dict[str, Any]:
        lines = (self.root / self.plan.name / "events.jsonl").read_text().splitlines()
        found = [e for e in map(json.loads, lines) if e["type"] == "step_finished" and e["step"] == step]
        return {"ledger": found[-1]["ledger"], "reasons": found[-1]["reasons"]}


def ran(spec: Path, root: Path | None = None) -> Ran:
    """Run a spec in this process; in `runs` beside it where no root is said."""
    (opened,) = open_spec(spec, ())
    store = Store(root or spec.parent / "runs")
    try:
        return Ran(opened.plan, store, run(opened.plan, opened.registry, store, say=lambda said: None))
    finally:
        store.close()


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
