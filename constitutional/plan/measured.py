"""What is known of a step by having run it: on its own rows, or on the first ones of a preview."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from constitutional.forecast import Range
from constitutional.plan.step import Plan, Shape, Step
from constitutional.ports import MAIN
from constitutional.store.folder import RunFolder, Store

#: Of the 95 % intervals here.
Z = 1.96


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows that went in, the calls that they took and the rows that they gave; `basis` says where this is known from."""

    rows: int
    calls: int
    made: int
    basis: str


def measured(plan: Plan, store: Store) -> Mapping[str, Measured]:
    """Of the row steps of a plan: their own rows where the run has begun with them, else those of a preview."""
    previews = RunFolder(store, plan.life[1]).manifest().get("steps", {})
    found = {}
    for name, step in plan.steps.items():
        if step.shape is Shape.ROW:
            known = _own(step, store) or _previewed(step, previews.get(name), store)
            if known is not None:
                found[name] = known
    return found


def narrowed(said: Range, rows_in: Range, left: Range, known: Measured | None, count: int) -> Range:
    """What the rows that are `left` will come to, where all of `rows_in` may come to what is `said`.

    `count` is what the measured rows came to.  A row comes to something between the two ends that are said of it, so
    that Wilson's interval of a share (1927) holds for where between them; it is wider than need be where the amounts lie
    in the middle.  Where nothing is said, the measured mean is all that there is.
    """
    least = said.low / rows_in.low if rows_in.low else 0.0
    most = said.high / rows_in.high if rows_in.high and rows_in.known and said.known else math.inf
    if not rows_in.high or not left.high:
        return Range(0.0, 0.0)
    if known is None or least == most:
        return left.times(least, most) if math.isfinite(most) else Range(left.low * least, math.inf)
    each = count / known.rows
    if math.isinf(most):
        return left.times(each)
    low, high = wilson(min(1.0, max(0.0, (each - least) / (most - least))), known.rows)
    return left.times(least + (most - least) * low, least + (most - least) * high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a share of `n`, at 95 %."""
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def rows_of(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _own(step: Step, store: Store) -> Measured | None:
    if not store.has_journal:
        return None
    rows = calls = made = 0
    for _, outcome in store.journal.outcomes(step.fingerprint):
        rows, calls, made = rows + 1, calls + outcome["calls"], made + len(outcome["rows"])
    return Measured(rows, calls, made, f"{rows_of(rows)} of this run") if rows else None


def _previewed(step: Step, said: Mapping[str, object] | None, store: Store) -> Measured | None:
    fingerprint = str(said["fingerprint"]) if said is not None else ""
    if said is None or not store.artifacts.has(fingerprint):
        return None
    finished = store.artifacts.finished(fingerprint)
    if not finished.rows_in or finished.stage != step.path:
        return None
    changed = "" if said.get("parts") == json.loads(json.dumps(step.parts)) else " before the spec changed"
    made = finished.outputs[MAIN].rows or 0 if MAIN in finished.outputs else 0
    return Measured(finished.rows_in, finished.calls, made, f"preview of {rows_of(finished.rows_in)}{changed}")
