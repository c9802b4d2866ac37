"""From a checked spec to a plan: each stage gets its fingerprint, and everything that it needs by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from constitutional.constitution.model import Constitution
from constitutional.parameters import StageParams, marked
from constitutional.parameters import Template as TemplateMark
from constitutional.plan import fingerprint as fp
from constitutional.plan import graph
from constitutional.plan.step import Bounds, Input, ModelUse, Plan, Shape, Step
from constitutional.plugins import Registry
from constitutional.ports import MAIN
from constitutional.prompts import Template, load
from constitutional.records import Record
from constitutional.spec.checked import Checked, CheckedData, CheckedModel, CheckedStage, Edge
from constitutional.spec.show import show
from constitutional.stage import RowStage, Stage, SurveyStage
from constitutional.store.artifacts import file_digest


def plan(checked: Checked, registry: Registry) -> Plan:
    """The plan of a checked spec; asks no model and writes nothing."""
    maker = _Maker(checked, registry)
    needs: dict[str, set[str]] = {name: set() for name in checked.data}
    needs |= {name: maker.needs(stage) for name, stage in checked.stages.items()}
    used = {need for all_needs in needs.values() for need in all_needs}
    ordered = graph.order(needs)
    depths = graph.depths(needs, ordered)
    for name in ordered:
        if name in checked.stages or name in used:
            maker.add(name, depths[name])
    spec = checked.spec
    limits = checked.limits.model_dump() if checked.limits is not None else {}
    executor = checked.executor_params.model_dump() if checked.executor_params is not None else {}
    return Plan(
        name=spec.name, spec_path=spec.path, spec_text=show(spec), seed=spec.seed, constitution=maker.constitution,
        steps=maker.steps, limits=limits, executor=spec.executor.use if spec.executor else "local", executor_params=executor,
    )  # fmt: skip


class _Maker:
    """Steps in the making; each is made after all that it needs."""

    def __init__(self, checked: Checked, registry: Registry) -> None:
        self.steps: dict[str, Step] = {}
        self.constitution = checked.constitution or Constitution.empty()
        self._checked = checked
        self._registry = registry
        self._identities: dict[str, str] = {}

    def needs(self, stage: CheckedStage) -> set[str]:
        return {
            edge.target for edges in stage.inputs.values() for edge in edges if edge.target not in self._checked.models
        }

    def add(self, name: str, depth: int) -> None:
        data = self._checked.data.get(name)
        self.steps[name] = self._source(data, depth) if data else self._stage(self._checked.stages[name], depth)

    def _source(self, data: CheckedData, depth: int) -> Step:
        source = data.source.cls(data.params)
        path = f"source/{data.source.path}"
        parts = {
            "stage": f"{path}@{data.source.cls.version}",
            "record": data.record.port,
            "content": dict(source.identity()),
        }
        return Step(name=data.spec.name, shape=Shape.SOURCE, path=path, place=str(data.spec.span), seed=self._checked.spec.seed,
                    gives={MAIN: data.record}, fingerprint=fp.of_parts(parts), parts=parts, source=source, depth=depth)  # fmt: skip

    def _stage(self, stage: CheckedStage, depth: int) -> Step:
        cls = stage.stage.cls
        inputs = {port: self._inputs(edges) for port, edges in stage.inputs.items() if not _models_of(stage, port)}
        models = {name: self._model(edge, base) for name, edge, base in _uses(stage)}
        templates = self._templates(stage.params)
        parts = self._parts(stage, inputs, models, templates)
        return Step(
            name=stage.spec.name, shape=_shape(cls), path=_path(stage), place=str(stage.spec.span), seed=self._checked.spec.seed,
            gives=stage.gives, fingerprint=fp.of_parts(parts), parts=parts, stage=stage.stage, params=stage.params,
            inputs=inputs, models=models, driving=_driving(stage), templates=templates, depth=depth,
            require=[Bounds(figure, b.min, b.max) for figure, b in stage.spec.require.items()],
        )  # fmt: skip

    def _parts(self, stage: CheckedStage, inputs: Mapping[str, Sequence[Input]], models: Mapping[str, ModelUse],
               templates: Mapping[str, Template]) -> dict[str, Any]:  # fmt: skip
        cls = stage.stage.cls
        ranks = dict(cls.ranks(stage.params, self.constitution))
        return {
            **({"priorities": ranks} if ranks else {}),
            "stage": f"{_path(stage)}@{cls.version}" + _local_code(stage),
            "seed": self._checked.spec.seed,
            "params": fp.parameters(stage.params),
            "templates": {name: template.digest for name, template in templates.items()},
            "principles": self._principles(cls, stage.params),
            "models": {port: use.fingerprint for port, use in models.items()},
            "inputs": {port: [[i.fingerprint, i.output, i.label] for i in items] for port, items in inputs.items()},
        }

    def _principles(self, cls: type[Stage], params: StageParams) -> dict[str, list[Any]]:
        """Digest and weight of each principle that the stage sees, and its examples where they matter."""
        seen = {p.id: [p.digest(), p.weight] for p in cls.sees(params, self.constitution)}
        if cls.sees_examples(params):
            for id, parts in seen.items():
                parts.append([example.to_json() for example in self.constitution[id].examples])
        return seen

    def _templates(self, params: StageParams) -> dict[str, Template]:
        names = [getattr(params, field) for field in marked(type(params), TemplateMark)]
        packs = self._registry.template_packs()
        return {name: load(name, packs) for name in names if name is not None}

    def _inputs(self, edges: Sequence[Edge]) -> list[Input]:
        return [Input(e.target, e.output, e.flow, self.steps[e.target].fingerprint, e.label) for e in edges]

    def _model(self, edge: Edge, base: str) -> ModelUse:
        model = self._checked.models[base]
        backend = model.backend
        if edge.target == base:
            return ModelUse(base, backend, model.params, self._identity(model), backend.cls.label(model.params))
        trainer = self.steps[edge.target]
        weights = Input(trainer.name, edge.output, edge.flow, trainer.fingerprint)
        inner = model.essence
        mark = fp.trained_model(inner.path, inner.cls.version, inner.params, trainer.fingerprint, edge.output)
        return ModelUse(trainer.name, backend, model.params, mark, f"trained:{trainer.fingerprint[:12]}", weights)

    def _identity(self, model: CheckedModel) -> str:
        name = model.spec.name
        if name not in self._identities:
            inner = model.essence
            self._identities[name] = fp.configured_model(inner.path, inner.cls.version, inner.made().identity())
        return self._identities[name]


def _models_of(stage: CheckedStage, port: str) -> bool:
    return any(name.partition(".")[0] == port for name in stage.base_model)


def _uses(stage: CheckedStage) -> list[tuple[str, Edge, str]]:
    """Ports of models (`judge`, `models.start`), what stands there, and the configured model it began as."""
    found = []
    for port, edges in stage.inputs.items():
        for edge in edges:
            name = port if edge.label is None else f"{port}.{edge.label}"
            if name in stage.base_model:
                found.append((name, edge, stage.base_model[name]))
    return found


def _path(stage: CheckedStage) -> str:
    return f"{stage.stage.cls.kind}/{stage.stage.path}"


def _shape(cls: type[Stage]) -> Shape:
    if issubclass(cls, RowStage):
        return Shape.ROW
    return Shape.SURVEY if issubclass(cls, SurveyStage) else Shape.WHOLE


def _driving(stage: CheckedStage) -> str | None:
    """The port whose rows the ledger counts: the first that takes records, of those that are connected if any is."""
    ports = [port for port, taken in stage.takes.items() if issubclass(taken.type, Record)]
    return next((port for port in ports if port in stage.inputs), ports[0] if ports else None)


def _local_code(stage: CheckedStage) -> str:
    """A plugin that is a file beside the spec has no version: its text stands in."""
    plugin = stage.stage.plugin
    return f"+{file_digest(Path(plugin.module))[:16]}" if plugin.distribution == "local file" else ""
