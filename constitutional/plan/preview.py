"""A preview: the first rows of every source through all row stages, with models as they are before any training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar, Final

from constitutional.ids import Json, JsonObject, digest
from constitutional.parameters import StageParams
from constitutional.plan import fingerprint as fp
from constitutional.plan.step import PREVIEW, Input, ModelUse, Plan, Shape, Step
from constitutional.plugins import BUILTIN, Installed, Registered
from constitutional.ports import MAIN, Port
from constitutional.records import Record
from constitutional.source import Source
from constitutional.stage import Fate, Inputs, Outputs, WholeContext, WholeStage
from constitutional.wrapping import essence

_HERE: Final = Installed(BUILTIN, __name__, "constitutional", "")


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan of a preview; steps whose trained model its base stands in for; steps that are left out."""

    plan: Plan
    stood_in: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def ends(self) -> tuple[str, ...]:
        """Steps whose rows no other previewed row step goes on with: they carry all that came before."""
        steps = self.plan.steps
        drives = {name for step in steps.values() for name in (step.needs() if _cuts(step) else step.streams_from())}
        rows = [n for n, s in steps.items() if s.shape in (Shape.ROW, Shape.WHOLE) and not _cuts(s)]
        return tuple(n for n in rows if n not in drives) or tuple(steps)


def _cuts(step: Step) -> bool:
    return step.stage is not None and step.stage.cls is First


class FirstRows(Source):
    """The first rows of another source."""

    name = "first-rows"

    def __init__(self, source: Source, count: int) -> None:
        super().__init__(source.params)
        self._source, self._count = source, count

    def rows(self) -> Iterator[Mapping[str, Any]]:
        return islice(self._source.rows(), self._count)

    def identity(self) -> JsonObject:
        return {"of": dict(self._source.identity()), "rows": self._count}


class FirstParams(StageParams):
    """Parameters of `first-rows`."""

    n: int
    """How many rows to pass on."""


class First(WholeStage):
    """The first rows of a finished step, so that what follows sees no more."""

    kind, name = "transform", "first-rows"
    Params = FirstParams
    takes: ClassVar = {"rows": Port(Record)}

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        count = min(self.params.n, inputs.count("rows"))
        fates: dict[tuple[Fate, str], int] = {
            ("kept", ""): count,
            ("dropped", "not shown"): inputs.count("rows") - count,
        }
        return Outputs(rows={MAIN: islice(inputs.rows("rows"), count)}, fates=fates)


def preview(plan: Plan, rows: int) -> Preview:
    """The plan of a preview of so many rows a source, or an output of what comes before the first question.

    What asks nobody is done in full, as the run would do it, since a split or a filter of five rows may leave none.  All
    else has fingerprints of its own, so that nothing of it is ever taken for a finished step; answers are shared with
    the run, since they are kept by what was asked.  What fails does not end it: it is to be seen beside the rest.
    """
    full = _in_full(plan)
    made: dict[str, Step] = {}
    stood_in, left_out = [], []
    for name, step in plan.steps.items():
        if not _can_be_previewed(step) or any(i.step not in made for inputs in step.inputs.values() for i in inputs):
            left_out.append(name)
        elif name in full:
            made[name] = step
        else:
            _cut(step, made, full, rows)
            made[name] = _previewed(step, made, rows)
            if any(use.trained_by for use in step.models.values()):
                stood_in.append(name)
    limits = {**plan.limits, "max_failures": math.inf}
    first = replace(plan, name=plan.name + PREVIEW, steps=made, limits=limits, previews=plan.name)
    return Preview(first, tuple(stood_in), tuple(left_out))


def _in_full(plan: Plan) -> set[str]:
    """Steps before the first question, and all that they need."""
    quiet: set[str] = set()
    for name, step in plan.steps.items():
        if step.source is not None or (_can_be_previewed(step) and not step.models and step.needs() <= quiet):
            quiet.add(name)
    working = {name for name in quiet if plan[name].source is None}
    return working | {need for name in working for need in plan[name].needs()}


def _cut(step: Step, made: dict[str, Step], full: set[str], rows: int) -> None:
    """Put a step in between where the inputs of this one are there in full."""
    for source in (i for inputs in step.inputs.values() for i in inputs):
        name = _first_of(source)
        if source.step not in full or name in made:
            continue
        parts: dict[str, Json] = {"first": rows, "of": source.fingerprint, "output": source.output}
        made[name] = Step(
            name=name, shape=Shape.WHOLE, path="transform/first-rows", place=step.place, seed=step.seed,
            gives={MAIN: source.flow}, fingerprint=digest(["preview", parts]), parts=parts, stage=Registered(First, _HERE),
            params=FirstParams(n=rows), inputs={"rows": [replace(source, label=None)]}, driving="rows",
            depth=made[source.step].depth,
        )  # fmt: skip


def _first_of(source: Input) -> str:
    return ".".join(name for name in (source.step, source.output) if name) + "~first"


def _can_be_previewed(step: Step) -> bool:
    isolated = step.stage is not None and bool(getattr(step.stage.cls, "isolated", False))
    return step.shape is not Shape.SURVEY and not isolated


def _previewed(step: Step, made: Mapping[str, Step], rows: int) -> Step:
    models = {port: _base(use) for port, use in step.models.items()}
    inputs = {port: [_moved(i, made) for i in several] for port, several in step.inputs.items()}
    mark = digest(["preview", step.fingerprint, rows, *(use.fingerprint for use in models.values())])
    source = FirstRows(step.source, rows) if step.source is not None else None
    return replace(step, fingerprint=mark, models=models, inputs=inputs, source=source, require=())


def _moved(source: Input, made: Mapping[str, Step]) -> Input:
    first = made.get(_first_of(source))
    if first is not None:
        return replace(source, step=first.name, output=MAIN, fingerprint=first.fingerprint)
    return replace(source, fingerprint=made[source.step].fingerprint)


def _base(use: ModelUse) -> ModelUse:
    """The configured model that a training began with."""
    if use.trained_by is None:
        return use
    inner = essence(use.backend.path, use.backend.cls, use.params)
    mark = fp.configured_model(inner.path, inner.cls.version, inner.made().identity())
    return replace(use, trained_by=None, fingerprint=mark, label=use.backend.cls.label(use.params))
