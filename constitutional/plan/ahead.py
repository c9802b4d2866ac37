"""Looking ahead: the rows and calls of every step of a plan, from the true counts of its data, from what stages say and
from what was measured.

What is done already is counted, not forecast: its rows are those that are there, and it asks nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, cast

from constitutional.forecast import NOTHING, UNKNOWN, Ahead, Asking, Forecast, Range, Rows, exactly, tokens
from constitutional.plan.explain import State, Why, explain
from constitutional.plan.measured import Measured, measured, narrowed
from constitutional.plan.step import Plan, Shape, Step
from constitutional.ports import MAIN
from constitutional.records import Record
from constitutional.rows import to_record
from constitutional.store.artifacts import ROWS
from constitutional.store.columns import read_rows
from constitutional.store.folder import RunFolder, Store

#: Rows of a finished step that are measured.
SEEN = 200
#: Prompts that are told apart, at most; beyond, it is not known how often one comes.
DISTINCT = 200_000


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to come of one step; `asks` is None where nothing is known of its calls.

    `left` are the rows of its driving port that are not done yet; `basis` says where rows and calls are known from, and is
    empty where they are the stage's own word.
    """

    step: Step
    why: Why
    rows: Mapping[str, Rows]
    asks: Sequence[Asking] | None
    left: Range = NOTHING
    basis: str = ""


def look_ahead(plan: Plan, store: Store) -> dict[str, Outlook]:
    """The outlook of every step, in the order of the plan.

    Raises:
        DataError: if a source cannot be read.
    """
    whys, known = explain(plan, RunFolder(store, plan.name)), measured(plan, store)
    found: dict[str, Outlook] = {}
    for name, step in plan.steps.items():
        if whys[name].state is State.DONE:
            found[name] = Outlook(step, whys[name], _finished(step, store), ())
        elif step.source is not None:
            read = to_record(step.source.rows(), cast("type[Record]", step.gives[MAIN]))
            found[name] = Outlook(step, whys[name], {MAIN: _counted(read)}, (), basis="counted")
        else:
            found[name] = _outlook(plan, step, whys[name], known.get(name), found)
    return found


def _outlook(plan: Plan, step: Step, why: Why, known: Measured | None, before: Mapping[str, Outlook]) -> Outlook:
    assert step.stage is not None
    ports = {port: [before[i.step].rows.get(i.output, Rows()) for i in inputs] for port, inputs in step.inputs.items()}
    principles = step.stage.cls.sees(step.params, plan.constitution)
    ahead = Ahead(ports, principles, _templates(step), _labels(step))
    rows_in = ahead.rows(step.driving).count if step.driving else NOTHING
    left = Range(max(0.0, rows_in.low - why.rows_done), max(0.0, rows_in.high - why.rows_done))
    said = step.stage.cls.forecast(step.params, ahead)
    rows = _made(step, said, rows_in, left, known, why.rows_done)
    basis = known.basis if known is not None else "" if said is None or step.asked() else "what its stage says"
    return Outlook(step, why, rows, _asks(step, said, rows_in, left, known), left, basis)


def _asks(
    step: Step, said: Forecast | None, rows_in: Range, left: Range, known: Measured | None
) -> Sequence[Asking] | None:
    """The calls of the rows that are left; None where neither the stage nor a measurement says anything."""
    asked = list(step.asked())
    if said is not None and step.shape is not Shape.ROW:
        return said.asks
    if said is not None:
        seen = known if len(said.asks) == 1 else None
        count = seen.calls if seen is not None else 0
        return [replace(one, calls=narrowed(one.calls, rows_in, left, seen, count)) for one in said.asks]
    if not asked:
        return ()
    if known is None or len(asked) > 1:
        return None
    return [Asking(asked[0], narrowed(UNKNOWN, rows_in, left, known, known.calls), UNKNOWN)]


def _made(
    step: Step, said: Forecast | None, rows_in: Range, left: Range, known: Measured | None, done: int
) -> Mapping[str, Rows]:
    rows = dict(said.rows) if said is not None else {}
    if step.shape is not Shape.ROW:
        return rows
    main = rows.get(MAIN, Rows())
    made = float(known.made) if known is not None and done else 0.0
    count = narrowed(main.count, rows_in, left, known, known.made if known else 0)
    return {**rows, MAIN: replace(main, count=count.plus(exactly(made)))}


def _finished(step: Step, store: Store) -> dict[str, Rows]:
    """Rows of a finished step, the first of them measured."""
    finished, found = store.artifacts.finished(step.fingerprint), {}
    for output, flow in step.gives.items():
        path = store.artifacts.path(step.fingerprint, output) / ROWS
        if issubclass(flow, Record) and path.is_file():
            first = _counted(islice(read_rows(path, flow), SEEN))
            count = exactly(finished.outputs[output].rows or 0)
            found[output] = replace(first, count=count)
    return found


def _counted(rows: Iterable[Record]) -> Rows:
    """Rows that are there, with the mean tokens of their texts; one pass, however many they are."""
    prompts: Counter[int] = Counter()
    prompt = said = 0.0
    total = 0
    for row in rows:
        text = _prompt(row)
        if len(prompts) < DISTINCT:
            prompts[hash(text)] += 1
        total += 1
        prompt += tokens(text)
        said += sum(tokens(str(getattr(row, name, None) or "")) for name in _SAID)
    each = max(1, total)
    siblings = max(prompts.values(), default=1) if len(prompts) < DISTINCT else math.inf
    return Rows(exactly(total), exactly(prompt / each), exactly(said / each), siblings)


_SAID = ("completion", "first", "second", "critique", "chosen", "rejected")


def _prompt(row: Record) -> str:
    turns: Any = getattr(row, "prompt", ())
    return "\n".join(turn.content for turn in turns)


def _templates(step: Step) -> dict[str, float]:
    return {name: sum(tokens(text) for _, text in template.sections) for name, template in step.templates.items()}


def _labels(step: Step) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in step.models:
        port, dot, label = name.partition(".")
        if dot:
            found.setdefault(port, []).append(label)
    return found
