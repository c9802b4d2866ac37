"""`repeat` and stage-level `matrix` -> flat stages, whose names all point at flat stages, data or models.

A group `improve` of two rounds becomes `improve.1.critique`, `improve.1.revise`, `improve.2.critique`, ...; from
outside, `improve` is the last round's result.  A stage with a matrix becomes `rl_cai[beta=0.05]`, `rl_cai[beta=0.1]`,
and so does everything that reads it; only a port that is written with labels collects all cells, under
`label[beta=0.05]`.
Names that lead nowhere are left as they are: `check` reports them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from math import prod
from typing import Final, TypeAlias

from constitutional.errors import SpecError
from constitutional.spec.findings import Findings
from constitutional.spec.model import PREVIOUS, Bounds, Form, PortValue, Ref, RepeatSpec, Spec, StageSpec
from constitutional.spec.text import Label

#: Flat stages of one spec, at most.
MAX_STAGES: Final = 10_000
#: Matrices in a row, at most.
MAX_MATRICES: Final = 8

#: Which cell of which matrix a copy of a stage belongs to: stage with a matrix -> label of the cell.
Cell: TypeAlias = Mapping[str, str]
Resolver: TypeAlias = Callable[[Ref], Ref]


def unroll(spec: Spec) -> Mapping[str, StageSpec]:
    """The flat stages, in the order of the file.

    Raises:
        SpecError: if a group has several ends and does not say which one goes on.
    """
    findings = Findings()
    flat = unrolled(spec, findings)
    if findings.diagnostics:
        raise SpecError(findings.diagnostics)
    return flat


def unrolled(spec: Spec, findings: Findings) -> Mapping[str, StageSpec]:
    """`unroll`, for those who collect mistakes."""
    groups = groups_of(spec)
    ends = {name: end_of(group, findings) for name, group in groups.items()}
    flat: dict[str, StageSpec] = {}
    if sum(group.times * len(group.stages) for group in groups.values()) > MAX_STAGES:
        longest = max(groups.values(), key=lambda group: group.times)
        findings.report("bad-value", f"All rounds together make more than {MAX_STAGES:,} stages", longest.times_span)
        return flat
    for name, stage in spec.stages.items():
        if isinstance(stage, RepeatSpec):
            flat.update(_rounds(stage, ends, spec))
        else:
            flat[name] = _outside(stage, name, ends, spec)
    return _with_cells(flat, findings) if any(stage.cells for stage in flat.values()) else flat


# -- repeat ----------------------------------------------------------------------------------------------------------


def groups_of(spec: Spec) -> dict[str, RepeatSpec]:
    """The groups of a spec by name."""
    return {name: stage for name, stage in spec.stages.items() if isinstance(stage, RepeatSpec)}


def end_of(group: RepeatSpec, findings: Findings) -> Ref | None:
    """The reference, inside the group, to what one round gives to the next; None where that cannot be said."""
    if group.result is not None:
        return group.result
    used = {ref.name for stage in group.stages.values() for _, ref in stage.refs()}
    sinks = [stage for name, stage in group.stages.items() if name not in used]
    if len(sinks) == 1 and (not group.broken or len(group.stages) > 1):
        return Ref(sinks[0].name, None, sinks[0].span)
    if sinks and not group.broken:
        labels = tuple(Label(sink.span, "one end") for sink in sinks)
        names = " and ".join(f"`{sink.name}`" for sink in sinks)
        help = f"write `result: {sinks[-1].name}` beside `repeat`"
        message = f"Group `{group.name}` has several ends: {names}"
        findings.report("no-result", message, group.span, secondary=labels, help=help)
    return None


def _rounds(group: RepeatSpec, ends: Mapping[str, Ref | None], spec: Spec) -> dict[str, StageSpec]:
    flat = {}
    end = ends[group.name]
    before = _from_outside(group.source, ends, spec)
    for round in range(1, group.times + 1):
        prefix = f"{group.name}.{round}."
        for stage in group.stages.values():
            flat[prefix + stage.name] = _inside(stage, prefix, before, group, ends, spec)
        if end is not None:
            before = Ref(prefix + end.name, end.output, end.span)
    return flat


def _inside(
    stage: StageSpec, prefix: str, before: Ref, group: RepeatSpec, ends: Mapping[str, Ref | None], spec: Spec
) -> StageSpec:
    def resolve(ref: Ref) -> Ref:
        if ref.name == PREVIOUS:
            return Ref(before.name, ref.output or before.output, ref.span)
        if ref.name in group.stages:
            return Ref(prefix + ref.name, ref.output, ref.span)
        return _from_outside(ref, ends, spec)

    return replace(stage, name=prefix + stage.name, ports=_resolved(stage.ports, resolve))


def _outside(stage: StageSpec, name: str, ends: Mapping[str, Ref | None], spec: Spec) -> StageSpec:
    def resolve(ref: Ref) -> Ref:
        return _from_outside(ref, ends, spec)

    cells = {label: _outside(cell, name, ends, spec) for label, cell in stage.cells.items()}
    return replace(stage, ports=_resolved(stage.ports, resolve), cells=cells)


def _from_outside(ref: Ref, ends: Mapping[str, Ref | None], spec: Spec) -> Ref:
    """What a name means outside its group: `improve` is its last round's end, `improve.1` the first one's."""
    name, _, inner = ref.name.partition(".")
    group = spec.stages.get(name)
    end = ends.get(name)
    if not isinstance(group, RepeatSpec) or end is None or "." in inner:
        return ref
    return Ref(f"{name}.{inner or group.times}.{end.name}", ref.output or end.output, ref.span)


def _resolved(ports: Mapping[str, PortValue], resolve: Resolver) -> dict[str, PortValue]:
    return {port: replace(value, refs=tuple(resolve(ref) for ref in value.refs)) for port, value in ports.items()}


# -- matrix ----------------------------------------------------------------------------------------------------------


def _with_cells(flat: Mapping[str, StageSpec], findings: Findings) -> dict[str, StageSpec]:
    """Every stage once for each combination of the matrices that it has or reads."""
    origins = _origins(flat)
    deepest = max(origins, key=lambda name: len(origins[name]))
    if len(origins[deepest]) > MAX_MATRICES:
        message = f"`{deepest}` lies behind more than {MAX_MATRICES} matrices"
        findings.report("matrix", message, flat[deepest].span)
        return {}
    if sum(prod(len(flat[o].cells) for o in names) for names in origins.values()) > MAX_STAGES:
        first = next(stage for stage in flat.values() if stage.cells)
        findings.report("matrix", f"All matrices together make more than {MAX_STAGES:,} stages", first.span)
        return {}
    copies = {name: [_copy_name(name, cell) for cell in _cells(origins[name], flat)] for name in flat}
    made: dict[str, StageSpec] = {}
    for name, stage in flat.items():
        for cell in _cells(origins[name], flat):
            body = stage.cells[cell[name]] if name in cell and stage.cells else stage
            made[_copy_name(name, cell)] = _copy(body, name, cell, origins, flat, copies)
    return made


def _origins(flat: Mapping[str, StageSpec]) -> dict[str, tuple[str, ...]]:
    """For each stage the stages with a matrix whose cells it must be copied for, in the order of the file.

    Of more than `MAX_MATRICES`, some are left out.
    """
    found: dict[str, set[str]] = {name: {name} if stage.cells else set() for name, stage in flat.items()}
    readers: dict[str, list[str]] = {name: [] for name in flat}
    for name, stage in flat.items():
        for ref in (ref for value in _single(stage) for ref in value.refs if ref.name in flat):
            readers[ref.name].append(name)
    waiting = deque(name for name in flat if found[name])
    while waiting:
        name = waiting.popleft()
        for reader in readers[name]:
            if not found[name] <= found[reader] and len(found[reader]) <= MAX_MATRICES:
                found[reader] |= found[name]
                waiting.append(reader)
    return {name: tuple(o for o in flat if o in origins) if origins else () for name, origins in found.items()}


def _single(stage: StageSpec) -> list[PortValue]:
    return [value for value in stage.ports.values() if value.form is not Form.MAPPING]


def _cells(origins: Iterable[str], flat: Mapping[str, StageSpec]) -> list[Cell]:
    names = list(origins)
    return [dict(zip(names, labels, strict=True)) for labels in product(*(flat[o].cells for o in names))]


def _copy_name(name: str, cell: Cell) -> str:
    """`rl_cai[beta=0.05]`; a label that two matrices share is told apart by the stage that has it."""
    if not cell:
        return name
    labels = list(cell.values())
    twice = {label for label in labels if labels.count(label) > 1}
    return f"{name}[{','.join(f'{o}.{label}' if label in twice else label for o, label in cell.items())}]"


def _copy(
    stage: StageSpec, name: str, cell: Cell, origins: Mapping[str, tuple[str, ...]], flat: Mapping[str, StageSpec],
    copies: Mapping[str, list[str]],
) -> StageSpec:  # fmt: skip
    def resolve(ref: Ref) -> Ref:
        mine = {o: cell[o] for o in origins.get(ref.name, ())}
        return Ref(_copy_name(ref.name, mine), ref.output, ref.span)

    ports = {}
    require = dict(stage.require)
    for port, value in stage.ports.items():
        if value.form is Form.MAPPING:
            ports[port] = _collected(value, origins, flat)
            require = _required(require, value, copies)
        else:
            ports[port] = replace(value, refs=tuple(resolve(ref) for ref in value.refs))
    return replace(stage, name=_copy_name(name, cell), ports=ports, require=require, matrix={}, cells={})


def _collected(value: PortValue, origins: Mapping[str, tuple[str, ...]], flat: Mapping[str, StageSpec]) -> PortValue:
    """A port with labels, each label once for every copy of what it names."""
    refs, labels = [], []
    for label, ref in zip(value.labels, value.refs, strict=True):
        for cell in _cells(origins.get(ref.name, ()), flat):
            refs.append(Ref(_copy_name(ref.name, cell), ref.output, ref.span))
            labels.append(_copy_name(label, cell))
    return replace(value, refs=tuple(refs), labels=tuple(labels))


def _required(require: Mapping[str, Bounds], value: PortValue, copies: Mapping[str, list[str]]) -> dict[str, Bounds]:
    """`label.figure` for every copy that the label stands for."""
    spread = {label: copies.get(ref.name, [ref.name]) for label, ref in zip(value.labels, value.refs, strict=True)}
    found = {}
    for key, bounds in require.items():
        label, dot, figure = key.rpartition(".")
        names = spread.get(label, [])
        for name in names if dot and len(names) > 1 else [label]:
            suffix = name[name.index("[") :] if len(names) > 1 else ""
            found[f"{label}{suffix}{dot}{figure}"] = bounds
    return found
