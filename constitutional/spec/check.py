"""Spec + registry -> everything the planner needs, or every mistake at once.

    load(path, sets) -> Spec                       structure alone; raises SpecError
    load_cells(path, sets) -> {label: Spec}        one spec for each combination of a whole-spec `matrix`
    examine(spec, registry) -> Checked             never raises for a user's mistake: look at `.diagnostics`
    check(spec, registry) -> list[Diagnostic]      `examine(...).diagnostics`
    checked(spec, registry) -> Checked             raises SpecError if there is an error
    load_checked(path, registry, sets) -> Checked  both at once: mistakes of structure and of meaning in one list

Phases: YAML, structure, names, parameters, ports, types, graph.  A later phase is silent about whatever an earlier one
condemned, so that one mistake is one error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from constitutional.errors import SpecError
from constitutional.spec import edges
from constitutional.spec.checked import Checked, CheckedData, CheckedModel, CheckedStage, Edge
from constitutional.spec.edges import Draft, Graph
from constitutional.spec.extend import read_tree
from constitutional.spec.findings import Findings, did_you_mean
from constitutional.spec.installed import Installed
from constitutional.spec.matrix import expand_matrix
from constitutional.spec.meaning import check_constitution, check_stage_alone
from constitutional.spec.model import Spec, StageSpec
from constitutional.spec.models import ModelCheck
from constitutional.spec.names import Names, check_names
from constitutional.spec.params import Written, validated
from constitutional.spec.read import read_spec
from constitutional.spec.text import Diagnostic, in_order
from constitutional.spec.unroll import unrolled
from constitutional.spec.yamltree import MapNode

if TYPE_CHECKING:
    from constitutional.parameters import Params, StageParams
    from constitutional.plugins import Registry

__all__ = [
    "Checked", "CheckedData", "CheckedModel", "CheckedStage", "Edge", "check", "checked", "examine", "load",
    "load_cells", "load_checked",
]  # fmt: skip


# -- reading ---------------------------------------------------------------------------------------------------------


def load(path: Path | str, sets: Sequence[str] = ()) -> Spec:
    """Read a spec, what it extends and the `--set`s, and check its structure.

    Raises:
        SpecError: with every mistake of structure.
    """
    findings = Findings()
    spec = read(Path(path), sets, findings)
    if findings.diagnostics or spec is None:
        raise SpecError(in_order(findings.diagnostics))
    return spec


def load_cells(path: Path | str, sets: Sequence[str] = ()) -> dict[str, Spec]:
    """The spec once for each combination of its whole-spec `matrix`, by label; under "" if it has none.

    Raises:
        SpecError: with every mistake of structure.
    """
    findings = Findings()
    tree, source = read_tree(Path(path), sets, findings)
    found = {}
    if isinstance(tree, MapNode):
        for label, cell in expand_matrix(tree, findings):
            spec = read_spec(cell, Path(path), source, findings)
            if spec is not None:
                found[label] = replace(spec, name=f"{spec.name}[{label}]" if label else spec.name)
    if findings.diagnostics:
        raise SpecError(in_order(findings.diagnostics))
    return found


def load_checked(path: Path | str, registry: Registry, sets: Sequence[str] = (), **options: Any) -> Checked:
    """Read and examine a spec; `options` as for `examine`.

    Raises:
        SpecError: with every mistake, of structure and of meaning.
    """
    findings = Findings()
    spec = read(Path(path), sets, findings)
    if spec is None:
        raise SpecError(in_order(findings.diagnostics))
    return _good(examine(spec, registry, findings=findings, **options))


def read(path: Path, sets: Sequence[str], findings: Findings) -> Spec | None:
    """Read a spec for those who collect mistakes; None where nothing could be made of it."""
    tree, source = read_tree(path, sets, findings)
    return None if tree is None else read_spec(tree, path, source, findings)


# -- checking --------------------------------------------------------------------------------------------------------


def check(spec: Spec, registry: Registry, environ: Mapping[str, str] | None = None) -> list[Diagnostic]:
    """Every mistake that can be known before the first model call."""
    return list(examine(spec, registry, environ).diagnostics)


def checked(spec: Spec, registry: Registry, **options: Any) -> Checked:
    """`examine`, for those who want a plan or nothing.

    Raises:
        SpecError: with every mistake found.
    """
    return _good(examine(spec, registry, **options))


def examine(
    spec: Spec,
    registry: Registry,
    environ: Mapping[str, str] | None = None,
    *,
    limits: type[Params] | None = None,
    findings: Findings | None = None,
) -> Checked:
    """Check names, parameters, types, files and the environment.

    `limits` is the model of the key `limits`, which belongs to the engine; `findings` what reading has found.
    """
    examiner = _Examiner(
        spec, registry, os.environ if environ is None else environ, Findings() if findings is None else findings
    )
    try:
        return examiner.examine(limits)
    except SpecError as error:
        return Checked(spec, error.diagnostics, {}, {}, {})


def _good(found: Checked) -> Checked:
    if not found.ok:
        raise SpecError(found.diagnostics)
    return found


class _Examiner:
    """One look at one spec, phase by phase."""

    def __init__(self, spec: Spec, registry: Registry, environ: Mapping[str, str], findings: Findings) -> None:
        self.spec = spec
        self.environ = environ
        self.findings = findings
        self.installed = Installed(registry, findings)
        self._params: dict[tuple[int, int], StageParams | None] = {}

    def examine(self, limits: type[Params] | None) -> Checked:
        spec, findings = self.spec, self.findings
        self.installed.load_plugins(spec)
        flat = unrolled(spec, findings)
        names = check_names(spec, flat, findings)
        constitution = check_constitution(spec, findings)
        models = ModelCheck(self.installed, self.environ, findings).models(spec)
        data = self._data()
        drafts = self._drafts(flat)
        executor, executor_params = self._executor()
        limited = None if limits is None else self._limits(limits)
        for draft in drafts.values():
            edges.check_ports(draft, findings)
            edges.check_require(draft, findings)
            check_stage_alone(draft, spec, constitution, self.installed.registry, findings)
        graph = Graph(names, models, data, drafts, findings)
        stages = self._connected(names, drafts, graph)
        return Checked(
            spec=spec,
            diagnostics=tuple(in_order(findings.diagnostics)),
            models=models,
            data=data,
            stages=stages,
            constitution=constitution,
            executor=executor,
            executor_params=executor_params,
            limits=limited,
        )

    def _limits(self, limits: type[Params]) -> Params | None:
        node = self.spec.limits_node
        written = Written(node, "`limits`", self.spec.source.span() if node is None else node.span, "limits: {%s: ...}")
        return validated(limits, written, self.environ, self.findings)

    def _data(self) -> dict[str, CheckedData]:
        found = {}
        records = self.installed.registry.records()
        for name, data in self.spec.data.items():
            if data.records not in records:
                message = f"There are no records called `{data.records}`"
                self.findings.report(
                    "unknown-name", message, data.records_span or data.span, did_you_mean(data.records, records)
                )
            source = self.installed.source(data.source, data.source_span)
            if source is not None:
                form = f"{name}: {{source: {data.source}, %s: ...}}"
                written = Written(data.params_node, f"source `{data.source}`", data.span, form)
                params = validated(source.cls.Params, written, self.environ, self.findings)
                if params is not None and data.records in records:
                    found[name] = CheckedData(data, source, params, records[data.records])
        return found

    def _executor(self) -> tuple[Any, Params | None]:
        wanted = self.spec.executor
        found = None if wanted is None else self.installed.executor(wanted.use, wanted.span)
        if wanted is None or found is None:
            return None, None
        written = Written(wanted.params_node, f"executor `{wanted.use}`", wanted.span, "executor: {%s: ...}")
        return found, validated(found.cls.Params, written, self.environ, self.findings)

    def _drafts(self, flat: Mapping[str, StageSpec]) -> dict[str, Draft]:
        """The flat stages whose class is there, with their parameters where these are right."""
        found = {}
        for name, stage in flat.items():
            registered = self.installed.stage(stage.kind, stage.implementation, stage.impl_span)
            if registered is not None:
                found[name] = Draft(stage, registered, self._stage_params(stage, registered.cls.Params))
        return found

    def _stage_params(self, stage: StageSpec, model: type[StageParams]) -> StageParams | None:
        """Validated once for all rounds of a repeat."""
        key = (id(stage.params_node or stage.span), id(model))
        if key not in self._params:
            written = Written(stage.params_node, f"{stage.kind} `{stage.implementation}`", stage.span)
            hidden = Findings() if stage.broken and stage.params_node is None else self.findings
            self._params[key] = validated(model, written, self.environ, hidden)
        return self._params[key]

    def _connected(self, names: Names, drafts: Mapping[str, Draft], graph: Graph) -> dict[str, CheckedStage]:
        found = {}
        for name in edges.in_order(names, self.findings):
            draft = drafts.get(name)
            inputs = None if draft is None else edges.connect(draft, graph)
            if draft is not None and draft.params is not None and inputs is not None and name in graph.gives:
                found[name] = CheckedStage(
                    draft.spec, draft.stage, draft.params, draft.cls.takes, graph.gives[name], inputs,
                    graph.base_model.get(name, {}),
                )  # fmt: skip
        return found
