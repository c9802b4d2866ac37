"""Why a step would run: done, partly done or to do, and the reason in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from constitutional.plan.step import Plan, Shape, Step
from constitutional.store.artifacts import ROWS, Artifacts
from constitutional.store.folder import RunFolder


class State(Enum):
    """How far a step is."""

    DONE = "done"
    PARTLY = "partly done"
    TO_DO = "to do"


@dataclass(frozen=True, slots=True)
class Why:
    """The state of one step, and why it is not done."""

    state: State
    reason: str
    rows_done: int = 0
    rows_total: int | None = None


def explain(plan: Plan, folder: RunFolder) -> Mapping[str, Why]:
    """The state of each step against what the store has and what the last run said."""
    before = folder.manifest().get("steps", {})
    store, found = folder.store, {}
    for name, step in plan.steps.items():
        if store.artifacts.has(step.fingerprint):
            found[name] = Why(State.DONE, "")
            continue
        done = store.journal.count(step.fingerprint) if step.shape is Shape.ROW and store.has_journal else 0
        reason = _reason(step, before.get(name), store.artifacts)
        found[name] = Why(State.PARTLY if done else State.TO_DO, reason, done, _rows_in(step, store.artifacts))
    return found


def _reason(step: Step, before: Mapping[str, Any] | None, artifacts: Artifacts) -> str:
    if before is None:
        return "new"
    if before["fingerprint"] == step.fingerprint:
        return "not finished, or its artifact was removed"
    old, new = before["parts"], step.parts
    changed = [part for part in {**new, **old} if old.get(part) != new.get(part)]
    said = [
        words for part in changed for words in _changes(part, old.get(part), new.get(part), step, before, artifacts)
    ]
    return "; ".join(said) or "changed"


def _changes(part: str, old: Any, new: Any, step: Step, before: Mapping[str, Any], artifacts: Artifacts) -> list[str]:
    if part == "params":
        return [_parameter(name, old, new) for name in {**new, **old} if old.get(name) != new.get(name)]
    if part == "principles":
        return _principles(old, new, before, artifacts)
    if part == "templates":
        return [f"template {name} changed" for name in {**new, **old} if old.get(name) != new.get(name)]
    if part == "models":
        return [
            f"{port} changed ({step.models[port].name})" if port in step.models else f"{port} removed"
            for port in {**new, **old}
            if old.get(port) != new.get(port)
        ]
    if part == "inputs":
        return [_input(port, step) for port in {**new, **old} if old.get(port) != new.get(port)]
    return [
        {
            "seed": "the seed changed",
            "stage": f"implementation changed: {old} is now {new}",
            "content": "the data changed",
        }.get(part, f"{part} changed")
    ]


def _parameter(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if name not in old:
        return f"{name} is new: {new[name]}"
    return f"{name} was {old[name]}, is {new.get(name)}" if name in new else f"{name} is gone"


def _input(port: str, step: Step) -> str:
    names = ", ".join(dict.fromkeys(i.step for i in step.inputs.get(port, ())))
    return f"{port} changed ({names})" if names else f"{port} removed"


def _principles(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Mapping[str, Any], artifacts: Artifacts
) -> list[str]:
    changed = [id for id in new if id in old and old[id] != new[id]]
    counts = _rows_by_principle(before, artifacts) if changed else {}
    said = [f"principle {id} changed{_of(counts, id)}" for id in changed]
    said += [f"principle {id} added" for id in new if id not in old]
    return said + [f"principle {id} removed" for id in old if id not in new]


def _of(counts: Mapping[str, int], id: str) -> str:
    total = sum(counts.values())
    return f": {counts.get(id, 0):,} of {total:,} rows" if total else ""


def _rows_by_principle(before: Mapping[str, Any], artifacts: Artifacts) -> dict[str, int]:
    """How many rows of the last run's artifact met each principle; empty where there is no such column."""
    paths = [artifacts.path(before["fingerprint"], output) / ROWS for output in before["outputs"]]
    found: dict[str, int] = {}
    for path in [path for path in paths if path.is_file()]:
        for id in _column(path, "principle"):
            found[id] = found.get(id, 0) + 1
    return found


def _column(path: Path, name: str) -> Sequence[str]:
    import pyarrow.parquet as pq

    if name not in pq.read_schema(path).names:
        return []
    column: Sequence[str] = pq.read_table(path, columns=[name]).column(name).to_pylist()
    return column


def _rows_in(step: Step, artifacts: Artifacts) -> int | None:
    inputs = step.inputs.get(step.driving or "", ())
    if not inputs or not all(artifacts.has(i.fingerprint) for i in inputs):
        return None
    return sum(artifacts.finished(i.fingerprint).outputs[i.output].rows or 0 for i in inputs)
