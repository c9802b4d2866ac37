"""What a run will ask for, before it runs: the counts of a preview, scaled to the rows that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from constitutional.errors import UserError
from constitutional.plan.step import Plan, Step
from constitutional.store.artifacts import Artifacts, Finished
from constitutional.store.folder import RunFolder, Store

#: A preview of fewer rows than this says little about a share.
FEW = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """One step: rows in, calls, tokens, and dollars at most; `basis` says where the figures come from.

    `dollars` counts every token at the dearer of a model's two prices; None where a price is not known.
    """

    rows: float
    calls: float
    tokens: float
    dollars: float | None
    basis: str


def estimate(plan: Plan, store: Store) -> Mapping[str, Estimate]:
    """Each step of a plan.

    Raises:
        UserError: if no preview of the spec has run in this folder.
    """
    measured = _measured(plan, store)
    counts: dict[tuple[str, str], float] = {}
    found: dict[str, Estimate] = {}
    for name, step in plan.steps.items():
        rows = _rows_in(step, counts)
        if store.artifacts.has(step.fingerprint):
            done = store.artifacts.finished(step.fingerprint)
            _count_outputs(step, done, 1.0, counts)
            found[name] = Estimate(done.rows_in, 0, 0, 0.0, "done")
        elif step.source is not None:
            counts[name, ""] = rows = sum(1 for _ in step.source.rows())
            found[name] = Estimate(rows, 0, 0, 0.0, "counted")
        elif name in measured and measured[name].rows_in:
            scale = rows / measured[name].rows_in
            _count_outputs(step, measured[name], scale, counts)
            found[name] = _scaled(step, measured[name], rows, scale)
        else:
            found[name] = Estimate(rows, 0, 0, None if step.models else 0.0, "not estimated: the preview leaves it out")
    return found


def _measured(plan: Plan, store: Store) -> Mapping[str, Finished]:
    steps = RunFolder(store, plan.life[1]).manifest().get("steps", {})
    if not steps:
        raise UserError(
            "there is nothing to estimate from",
            help="run `constitutional preview` on the spec first; its answers count later",
        )
    artifacts: Artifacts = store.artifacts
    return {
        name: artifacts.finished(said["fingerprint"])
        for name, said in steps.items()
        if artifacts.has(said["fingerprint"])
    }


def _rows_in(step: Step, counts: Mapping[tuple[str, str], float]) -> float:
    inputs = step.inputs.get(step.driving, ()) if step.driving is not None else ()
    return sum(counts.get((i.step, i.output), 0.0) for i in inputs)


def _count_outputs(step: Step, finished: Finished, scale: float, counts: dict[tuple[str, str], float]) -> None:
    for output, said in finished.outputs.items():
        counts[step.name, output] = (said.rows or 0) * scale


def _scaled(step: Step, measured: Finished, rows: float, scale: float) -> Estimate:
    tokens = measured.tokens * scale
    few = f" (of {measured.rows_in} rows: rough)" if measured.rows_in < FEW else f" of {measured.rows_in} rows"
    return Estimate(rows, measured.calls * scale, tokens, _dollars(step, tokens), f"preview{few}")


def _dollars(step: Step, tokens: float) -> float | None:
    prices = [use.backend.cls(use.params).price for use in step.models.values()]
    if any(price is None for price in prices):
        return None
    return tokens * max((max(price) for price in prices if price is not None), default=0.0) / 1e6
