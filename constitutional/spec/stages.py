"""Tree -> stages: kinds, ports, `with`, `require`, `repeat`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Final

from constitutional.spec import shape
from constitutional.spec.findings import Findings, did_you_mean, guessed, listed
from constitutional.spec.matrix import MAX_CELLS, cells, read_matrix, with_values
from constitutional.spec.model import PREVIOUS, AnyStage, Bounds, Form, PortValue, Ref, RepeatSpec, StageSpec
from constitutional.spec.text import Label
from constitutional.spec.yamltree import Entry, ListNode, MapNode, Node, Scalar, plain

#: Those of `constitutional.stage`, which imports too much for a spec to be checked in no time; a test holds the two together.
KINDS: Final = ("generator", "critic", "reviser", "labeller", "debiaser", "trainer", "evaluator", "transform")
#: Keys of a stage that are neither its kind nor a port.
STAGE_KEYS: Final = ("with", "require", "about", "matrix")
REPEAT_KEYS: Final = ("repeat", "from", "stages", "result", "about")
RESERVED_NAMES: Final = frozenset({PREVIOUS})
_REF: Final = re.compile(
    r"(?P<name>[a-z][a-z0-9_]*)(?P<cell>\[[^\[\]]+\])?"
    r"(?P<inner>\.[0-9]+(\.[a-z][a-z0-9_]*)?)?(?P<output>\.[a-z][a-z0-9_-]*)?"
)


def looks_like_stage(node: Node) -> bool:
    """Whether a node says a kind, or repeats."""
    return isinstance(node, MapNode) and any(e.name in KINDS or e.name == "repeat" for e in node.entries)


def read_stages(node: MapNode, findings: Findings) -> Mapping[str, AnyStage]:
    """All stages of the top level."""
    found: dict[str, AnyStage] = {}
    cells_left = MAX_CELLS
    for entry in node.entries:
        if shape.name(entry.key, "a stage", findings, RESERVED_NAMES) is None:
            continue
        inner = shape.mapping(entry.value, f"Stage `{entry.name}`", findings)
        if inner is None:
            continue
        stage = _read_repeat(entry, inner, findings) if inner.entry("repeat") else read_stage(entry, inner, findings)
        if isinstance(stage, StageSpec) and stage.matrix:
            cells_left -= prod(len(values) for values in stage.matrix.values())
            stage = _with_cells(stage, entry, inner, cells_left, findings)
        if stage is not None:
            found[entry.name] = stage
    return found


# -- one stage -------------------------------------------------------------------------------------------------------


def read_stage(entry: Entry, node: MapNode, findings: Findings) -> StageSpec | None:
    """One stage; None if it does not say what it is."""
    before = len(findings)
    said = _kind(entry, node, findings)
    if said is None:
        return None
    text = shape.text(said.value, f"`{said.name}`", findings)
    if text is None:
        return None
    matrix = node.get("matrix")
    tried = read_matrix(matrix, node, findings, "this stage") if matrix is not None else {}
    params = shape.mapping_at(node, "with", findings)
    if params is not None:
        shape.check_env(params, findings)
    made = StageSpec(
        name=entry.name,
        span=entry.key.span,
        kind=said.name,
        implementation=text,
        impl_span=said.value.span,
        ports=_ports(node, findings),
        params={} if params is None else {e.name: plain(e.value) for e in params.entries},
        params_node=params,
        require=_require(node, findings),
        about=shape.text_at(node, "about", findings) or "",
        matrix=tried,
    )
    return replace(made, broken=len(findings) > before)


def _kind(entry: Entry, node: MapNode, findings: Findings) -> Entry | None:
    kinds = [e for e in node.entries if e.name in KINDS]
    if len(kinds) == 1:
        return kinds[0]
    if kinds:
        label = Label(kinds[0].key.span, "first")
        message = f"`{entry.name}` cannot be both a {kinds[0].name} and a {kinds[1].name}"
        findings.report("two-kinds", message, kinds[1].key.span, "second", secondary=(label,), help="make two stages")
        return None
    meant = _meant_kind(node)
    if meant is not None:
        at, label_text = meant[0].key.span, f"did you mean `{meant[1]}`?"
        findings.report("no-kind", f"Stage `{entry.name}` does not say what it is", at, label_text)
        return None
    help = f"begin it with its kind and implementation, `generator: sample`; {listed(KINDS, 'kinds are')}"
    findings.report("no-kind", f"Stage `{entry.name}` does not say what it is", entry.key.span, help=help)
    return None


def _meant_kind(node: MapNode) -> tuple[Entry, str] | None:
    """The key that was most likely meant to be the kind: one whose nearest reserved word is a kind."""
    for e in node.entries:
        guess = guessed(e.name, [*KINDS, "repeat"])
        if guess is not None and isinstance(e.value, Scalar):
            return e, guess
    return None


def _with_cells(stage: StageSpec, entry: Entry, node: MapNode, left: int, findings: Findings) -> StageSpec:
    """The stage with its copies, one for every combination of its matrix."""
    if left < 0:
        help = f"at most {MAX_CELLS:,} combinations in one spec"
        findings.report("matrix", "The matrices of this spec have too many combinations", entry.key.span, help=help)
        return stage
    bare = MapNode(node.span, tuple(e for e in node.entries if e.name != "matrix"))
    made = {
        label: read_stage(entry, with_values(bare, values), findings) for label, values in cells(stage.matrix).items()
    }
    copies = {
        label: replace(copy, broken=copy.broken or stage.broken) for label, copy in made.items() if copy is not None
    }
    return replace(stage, cells=copies)


# -- ports -----------------------------------------------------------------------------------------------------------


def _ports(node: MapNode, findings: Findings) -> Mapping[str, PortValue]:
    inputs = [e for e in node.entries if e.name not in KINDS and e.name not in STAGE_KEYS]
    return {entry.name: _read_input(entry, findings) for entry in inputs}


def _read_input(entry: Entry, findings: Findings) -> PortValue:
    """A port, or a key that was meant to be `with` and its like: what stands there are no names."""
    attempt = Findings()
    value = read_port(entry, attempt)
    if attempt.diagnostics and guessed(entry.name, STAGE_KEYS):
        label = did_you_mean(entry.name, STAGE_KEYS)
        findings.report("unknown-key", f"A stage has no key `{entry.name}`", entry.key.span, label)
        return value
    for found in attempt.diagnostics:
        findings.add(found)
    return value


def read_port(entry: Entry, findings: Findings) -> PortValue:
    """The names in a port: one, a list, or labels with names; no names at all where one of them is wrong."""
    node = entry.value
    named: list[tuple[str, Node]]
    if isinstance(node, MapNode):
        form, named = Form.MAPPING, [(e.name, e.value) for e in node.entries]
    elif isinstance(node, ListNode):
        form, named = Form.LIST, [("", item) for item in node.items]
    else:
        form, named = Form.ONE, [("", node)]
    if not named:
        findings.report("bad-reference", f"`{entry.name}` names nothing", node.span, help="remove it or name something")
    refs = [read_ref(item, entry.name, findings) for _, item in named]
    good = tuple(ref for ref in refs if ref is not None)
    if len(good) < len(refs):
        return PortValue(form, (), (), entry.key.span, node.span)
    labels = tuple(label for label, _ in named) if form is Form.MAPPING else ()
    return PortValue(form, good, labels, entry.key.span, node.span)


def read_ref(node: Node, port: str, findings: Findings) -> Ref | None:
    """One name in a port."""
    found = _REF.fullmatch(node.value) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    if found is None:
        said = f"`{node.text:.40}`" if isinstance(node, Scalar) and node.text else shape.sort_of(node)
        help = "an input holds the name of a stage, data set or model; parameters go under `with`"
        findings.report("bad-reference", f"`{port}` takes names, and {said} is none", node.span, help=help)
        return None
    name = found["name"] + (found["cell"] or "") + (found["inner"] or "")
    return Ref(name, found["output"][1:] if found["output"] else None, node.span)


# -- require ---------------------------------------------------------------------------------------------------------


def _require(node: MapNode, findings: Findings) -> Mapping[str, Bounds]:
    inner = shape.mapping_at(node, "require", findings)
    found = {}
    for entry in inner.entries if inner else ():
        bounds = _bounds(entry, findings)
        if bounds is not None:
            found[entry.name] = bounds
    return found


def _bounds(entry: Entry, findings: Findings) -> Bounds | None:
    help = "write `{max: 0.05}`, `{min: 0.9}` or both"
    if not isinstance(entry.value, MapNode):
        shown = shape.sort_of(entry.value)
        findings.report("wrong-shape", f"`{entry.name}` must be bounds, not {shown}", entry.value.span, help=help)
        return None
    shape.only_keys(entry.value, ("min", "max"), "A bound", findings)
    values = {}
    for key in ("min", "max"):
        node = entry.value.get(key)
        values[key] = None if node is None else shape.number(node, f"`{key}`", findings, help)
    if not entry.value.entries:
        findings.report("missing-key", f"`{entry.name}` has no bound", entry.value.span, help=help)
    low, high = values["min"], values["max"]
    if low is not None and high is not None and low > high:
        findings.report("bad-value", "`min` is larger than `max`", entry.value.span)
    return Bounds(low, high, entry.value.span, entry.key.span)


# -- repeat ----------------------------------------------------------------------------------------------------------


def _read_repeat(entry: Entry, node: MapNode, findings: Findings) -> RepeatSpec | None:
    where, before = f"Group `{entry.name}`", len(findings)
    shape.only_keys(node, REPEAT_KEYS, where, findings, "what a stage takes is written in the stages of the group")
    needed = {"from": "`from: STAGE`, what round 1 reads as `previous`", "stages": "`stages:`"}
    if not shape.need_keys(node, needed, where, entry.key.span, findings):
        return None
    times, source, result = node.get("repeat"), node.get("from"), node.get("result")
    assert times is not None
    assert source is not None
    count = shape.integer(times, "`repeat`", findings, 1)
    first = read_ref(source, "from", findings)
    last = None if result is None else read_ref(result, "result", findings)
    stages = _inner_stages(entry, node, findings)
    if count is None or first is None or not stages:
        return None
    about = shape.text_at(node, "about", findings) or ""
    broken = len(findings) > before
    return RepeatSpec(entry.name, entry.key.span, count, times.span, first, stages, last, about, broken)


def _inner_stages(group: Entry, node: MapNode, findings: Findings) -> Mapping[str, StageSpec]:
    inner = shape.mapping_at(node, "stages", findings)
    if inner is not None and not inner.entries:
        findings.report("missing-key", f"Group `{group.name}` has no stages", inner.span, help="write at least one")
    found = {}
    for entry in inner.entries if inner else ():
        stage = _inner_stage(entry, findings)
        if stage is not None:
            found[entry.name] = stage
    return found


def _inner_stage(entry: Entry, findings: Findings) -> StageSpec | None:
    if shape.name(entry.key, "a stage", findings, RESERVED_NAMES) is None:
        return None
    node = shape.mapping(entry.value, f"Stage `{entry.name}`", findings)
    if node is None:
        return None
    forbidden = {"repeat": "unknown-key", "matrix": "matrix"}
    for found in node.entries:
        if found.name in forbidden:
            message = f"A stage inside `repeat` cannot have `{found.name}`"
            findings.report(forbidden[found.name], message, found.key.span, help="put it on a stage of the top level")
    if node.entry("repeat"):
        return None
    return read_stage(entry, MapNode(node.span, tuple(e for e in node.entries if e.name != "matrix")), findings)
