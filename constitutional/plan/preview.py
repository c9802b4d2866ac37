"""A preview: the first rows of every source through all row stages, with models as they are before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from constitutional.ids import JsonObject, digest
from constitutional.plan import fingerprint as fp
from constitutional.plan.step import Input, ModelUse, Plan, Shape, Step
from constitutional.source import Source
from constitutional.wrapping import essence


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
        drives = {name for step in steps.values() for name in step.streams_from()} if steps else set()
        rows = (Shape.ROW, Shape.WHOLE)
        return tuple(n for n, s in steps.items() if s.shape in rows and n not in drives) or tuple(steps)


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


def preview(plan: Plan, rows: int) -> Preview:
    """The plan of a preview of so many rows a source.

    Its steps have fingerprints of their own, so that nothing of it is ever taken for a finished step; answers are shared
    with the run, since they are kept by what was asked.
    """
    made: dict[str, Step] = {}
    stood_in, left_out = [], []
    for name, step in plan.steps.items():
        if not _can_be_previewed(step) or any(i.step not in made for inputs in step.inputs.values() for i in inputs):
            left_out.append(name)
            continue
        made[name] = _previewed(step, made, rows)
        if any(use.trained_by for use in step.models.values()):
            stood_in.append(name)
    return Preview(replace(plan, name=f"{plan.name}-preview", steps=made), tuple(stood_in), tuple(left_out))


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
    return replace(source, fingerprint=made[source.step].fingerprint)


def _base(use: ModelUse) -> ModelUse:
    """The configured model that a training began with."""
    if use.trained_by is None:
        return use
    inner = essence(use.backend.path, use.backend.cls, use.params)
    mark = fp.configured_model(inner.path, inner.cls.version, inner.made().identity())
    return replace(use, trained_by=None, fingerprint=mark, label=use.backend.cls.label(use.params))
