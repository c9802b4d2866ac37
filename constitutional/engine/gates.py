"""Figures and gates: what the evaluators measured, what `require:` asks of it, and `report.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from constitutional.plan.step import Plan
from constitutional.ports import MAIN, PolicyModel, RewardModel
from constitutional.store.folder import RunFolder, Store

FORMAT = 1


def figures(plan: Plan, store: Store, done: set[str]) -> dict[str, Any]:
    """The figures of every finished step that has some, by step."""
    found = {
        name: store.artifacts.finished(step.fingerprint).figures for name, step in plan.steps.items() if name in done
    }
    return {name: dict(said) for name, said in found.items() if said}


def value(figures: Mapping[str, Any], name: str) -> float | None:
    """One figure by its dotted name, as `require:` writes it; None where it is missing or could not be measured.

    A stage that compares models keeps the figures of each under `models`, by label.
    """
    found: Any = figures.get("models", figures)
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    if isinstance(found, Mapping):
        found = found.get("value")
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None


def failed(plan: Plan, figures: Mapping[str, Any]) -> list[str]:
    """The conditions that do not hold, in words."""
    said = []
    for name, step in plan.steps.items():
        for bounds in step.require:
            measured = value(figures.get(name, {}), bounds.figure)
            if not bounds.holds(measured):
                was = "it was not measured" if measured is None else f"it is {measured:.4g}"
                said.append(f"{name}: {bounds}, but {was}")
    return said


def write_report(folder: RunFolder, plan: Plan, figures: Mapping[str, Any], failed: Sequence[str], status: str) -> None:
    """Write `report.json`: figures, gates, and where the models and data sets are."""
    folder.write_json("report.json", {
        "format": FORMAT, "name": plan.name, "status": status, "spec": str(plan.spec_path), "seed": plan.seed,
        "figures": figures, "failed_gates": list(failed), "models": models(folder, plan), "data": data(folder, plan),
    })  # fmt: skip


def models(folder: RunFolder, plan: Plan) -> dict[str, str]:
    """Folders of the models that are there, by step."""
    kinds = (PolicyModel, RewardModel)
    return {
        name: str(folder.path / "steps" / name / (output or "main"))
        for name, step in plan.steps.items()
        for output, flow in step.gives.items()
        if issubclass(flow, kinds) and (folder.path / "steps" / name).exists()
    }


def data(folder: RunFolder, plan: Plan) -> dict[str, str]:
    """Parquet files that are there, by step and output."""
    found = {}
    for name, step in plan.steps.items():
        for output in step.gives:
            path = folder.path / "steps" / name / (output or "main") / "rows.parquet"
            if path.exists():
                found[name if output == MAIN else f"{name}.{output}"] = str(path)
    return found
