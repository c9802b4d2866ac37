"""Names: one namespace, and everything that is named exists.

Works on flat stages, so that `previous`, siblings and rounds need no second reading; what it condemns, later phases
leave alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from constitutional.spec.findings import Findings, did_you_mean, listed
from constitutional.spec.model import PREVIOUS, Ref, RepeatSpec, Spec, StageSpec
from constitutional.spec.text import Label, Span
from constitutional.spec.unroll import end_of
from constitutional.spec.yamltree import MapNode


@dataclass(slots=True)
class Names:
    """What is called what, and which names nobody should ask about again."""

    spec: Spec
    flat: Mapping[str, StageSpec]
    #: Names that something has been reported about: references to them are not mistakes of their own.
    condemned: set[str] = field(default_factory=set)

    def known(self, name: str) -> bool:
        return name in self.flat or name in self.spec.data or name in self.spec.models

    def everything(self) -> list[str]:
        return [*self.spec.models, *self.spec.data, *self.spec.stages]


def check_names(spec: Spec, flat: Mapping[str, StageSpec], findings: Findings) -> Names:
    """The names of a spec, with every clash and every reference that leads nowhere reported."""
    names = Names(spec, flat, _left_out(spec))
    _check_clashes(names, findings)
    for group in spec.stages.values():
        if isinstance(group, RepeatSpec):
            _check_group(group, names, findings)
            if end_of(group, Findings()) is None:
                names.condemned.add(group.name)
    for stage in flat.values():
        for _, ref in stage.refs():
            check_ref(ref, stage, names, findings)
    return names


def _left_out(spec: Spec) -> set[str]:
    """Names that are written but could not be read; they have been reported."""
    found: set[str] = set()
    for key, read in (("models", spec.models), ("data", spec.data), ("stages", spec.stages)):
        node = spec.tree.get(key)
        if isinstance(node, MapNode):
            found |= {e.name for e in node.entries if e.name not in read}
    return found


def _check_clashes(names: Names, findings: Findings) -> None:
    seen: dict[str, tuple[str, Span]] = {}
    spec = names.spec
    for what, group in (("model", spec.models), ("data set", spec.data), ("stage", spec.stages)):
        for name, one in group.items():
            first = seen.setdefault(name, (what, one.span))
            if first[1] is not one.span:
                names.condemned.add(name)
                label = Label(first[1], f"the {first[0]}")
                message = f"A {first[0]} and a {what} are both called `{name}`"
                findings.report("name-clash", message, one.span, f"the {what}", secondary=(label,), help="rename one")


def _check_group(group: RepeatSpec, names: Names, findings: Findings) -> None:
    """`from` and `result` are no ports, so they are looked up here."""
    outer = Ref(group.source.name, group.source.output, group.source.span)
    head = outer.name.partition(".")[0].partition("[")[0]
    known = [name for name in (*names.spec.data, *names.spec.stages) if name != group.name]
    if head not in known:
        if head not in names.condemned:
            label = did_you_mean(head, known)
            findings.report("unknown-name", f"Nothing is called `{outer}`", outer.span, label)
        names.condemned.add(outer.name)
    if group.result is not None and group.result.name not in group.stages:
        label = did_you_mean(group.result.name, group.stages)
        findings.report("unknown-name", f"The group has no stage `{group.result}`", group.result.span, label)
        names.condemned.add(group.name)
    if not group.broken and not any(ref.name == PREVIOUS for stage in group.stages.values() for _, ref in stage.refs()):
        message = f"No stage of `{group.name}` reads `{PREVIOUS}`"
        help = f"name `{PREVIOUS}` in a stage: it is `{group.source}` in round 1, then what the last round gave"
        findings.report("missing-input", message, group.span, help=help)


def check_ref(ref: Ref, stage: StageSpec, names: Names, findings: Findings) -> bool:
    """Whether a reference leads somewhere; if not, that is reported, unless its name is condemned."""
    if names.known(ref.name):
        return True
    head = ref.name.partition(".")[0].partition("[")[0]
    if head in names.condemned or ref.name in names.condemned or findings.condemned(ref.span):
        return False
    message, label, help = _explain(ref, head, stage, names)
    findings.report("unknown-name", message, ref.span, label, help=help)
    return False


def _explain(ref: Ref, head: str, stage: StageSpec, names: Names) -> tuple[str, str, str | None]:
    """Message, label and help for a name that leads nowhere."""
    target = names.spec.stages.get(head)
    if ref.name == PREVIOUS:
        return f"`{PREVIOUS}` exists only inside `repeat`", "", "name the stage whose output is meant"
    if isinstance(target, RepeatSpec):
        return _explain_group(ref, target)
    if target is not None and "[" in ref.name:
        cells = [name for name in names.flat if name.startswith(f"{head}[")]
        return f"Nothing is called `{ref.name}`", did_you_mean(ref.name, cells, listed(cells)), None
    if names.known(head):
        return f"`{head}` has no rounds", "", f"only a group that repeats has; write `{head}`"
    nearby = _siblings(stage, names)
    inside = [*nearby, PREVIOUS] if nearby else []
    everything = [*inside, *names.everything()]
    return f"Nothing is called `{ref.name}`", did_you_mean(ref.name, everything, listed(everything)), None


def _explain_group(ref: Ref, group: RepeatSpec) -> tuple[str, str, str | None]:
    _, _, rest = ref.name.partition(".")
    round, _, inner = rest.partition(".")
    if round.isdecimal() and not 1 <= int(round[:9]) <= group.times:
        return f"`{group.name}` has no round {round}", f"it has rounds 1 to {group.times}", None
    label = did_you_mean(inner, group.stages, listed(group.stages))
    return f"A round of `{group.name}` has no stage `{inner}`", label, None


def _siblings(stage: StageSpec, names: Names) -> list[str]:
    """Names of the stages in the same group."""
    group = names.spec.stages.get(stage.name.partition(".")[0])
    return list(group.stages) if isinstance(group, RepeatSpec) else []
