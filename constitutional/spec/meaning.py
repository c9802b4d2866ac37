"""What each stage by itself can be asked: its own checks, its templates, the principles it works with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from constitutional.errors import UserError
from constitutional.spec.edges import Draft
from constitutional.spec.findings import Findings, did_you_mean
from constitutional.spec.model import Spec
from constitutional.spec.params import exists, missing_file
from constitutional.spec.text import Span
from constitutional.spec.yamltree import ListNode, MapNode, Node, Scalar

if TYPE_CHECKING:
    from constitutional.constitution.model import Constitution
    from constitutional.plugins import Registry

#: A parameter's path at the beginning of a sentence: `watch`, `lora.bits`, `report_to: [wandb]`.
_NAMED: Final = re.compile(r"`([A-Za-z_][A-Za-z0-9_.]*)(?:: [^`]*)?`")


def check_constitution(spec: Spec, findings: Findings) -> Constitution | None:
    """The constitution that a spec names; its own mistakes are reported in its own file."""
    from constitutional.constitution.read import read_file

    wanted = spec.constitution
    if wanted is None:
        return None
    if not exists(wanted.path):
        missing_file(wanted.path, Scalar(wanted.span, wanted.text, wanted.text), findings)
        return None
    before = len(findings)
    found = read_file(wanted.path, findings)
    return found if len(findings) == before else None


def check_stage_alone(
    draft: Draft, spec: Spec, constitution: Constitution | None, registry: Registry, findings: Findings
) -> None:
    """What the stage itself says about its parameters; templates; principles."""
    if draft.params is None:
        return
    ports = {port: tuple(value.labels) for port, value in draft.spec.ports.items()}
    by_place: dict[Span, list[str]] = {}
    for said in (*draft.cls.check(draft.params), *draft.cls.wired(draft.params, ports)):
        by_place.setdefault(_place_of(said, draft), []).append(said)
    for place, sentences in by_place.items():
        findings.report("parameter", "; ".join(sentences), place)
    _check_templates(draft, registry, findings)
    _check_principles(draft, spec, constitution, findings)


def _place_of(sentence: str, draft: Draft) -> Span:
    """Where the parameter is written that a stage's sentence begins with; all of `with` where that says nothing."""
    if draft.spec.params_node is None:
        return draft.spec.span
    place = draft.spec.params_node.span
    named = _NAMED.match(sentence)
    node: Node | None = draft.spec.params_node
    for segment in named[1].split(".") if named else ():
        entry = node.entry(segment) if isinstance(node, MapNode) else None
        if entry is None:
            break
        node, place = entry.value, entry.key.span
    return place


def _check_templates(draft: Draft, registry: Registry, findings: Findings) -> None:
    """Templates exist and can be read; one that nobody wrote is the implementation's own business."""
    from constitutional.parameters import Params, Template, marked
    from constitutional.prompts import load

    params: Any = draft.params
    kind: type[Params] = type(params)
    for name in marked(kind, Template):
        value = getattr(params, name)
        if not isinstance(value, str):
            continue
        node = None if draft.spec.params_node is None else draft.spec.params_node.get(name)
        place = draft.spec.span if node is None else node.span
        try:
            load(value, registry.template_packs())
        except UserError as error:
            written = node.text if isinstance(node, Scalar) else value
            message = str(error).replace(value, f"`{written}`")
            findings.report("template", message[:1].upper() + message[1:], place, help=error.help)
        except (OSError, ValueError) as error:
            findings.report("template", f"Template `{name}` cannot be read: {error}", place)


def _check_principles(draft: Draft, spec: Spec, constitution: Constitution | None, findings: Findings) -> None:
    """Stages say by `sees` which principles they work with, and raise where these are not there."""
    from constitutional.constitution.model import Constitution

    if spec.constitution is not None and constitution is None:
        return
    try:
        draft.cls.sees(draft.params, constitution or Constitution.empty())
    except (UserError, KeyError) as error:
        if spec.constitution is None:
            message = f"{draft.title} works with principles, but the spec names no constitution"
            help = "write `constitution: PATH` at the top"
            findings.report("no-constitution", message, draft.spec.impl_span, help=help)
        elif constitution is not None:
            _unknown_principle(draft, constitution, error, findings)


def _unknown_principle(draft: Draft, constitution: Constitution, error: Exception, findings: Findings) -> None:
    """Point at the group or id that the constitution does not have, if it can be found."""
    known = [*constitution.groups, *(p.id for p in constitution.principles)]
    cause = error if isinstance(error, KeyError) else error.__cause__
    name = str(cause.args[0]) if isinstance(cause, KeyError) and cause.args else None
    node = draft.spec.params_node
    for text, span in _texts(node) if node is not None else ():
        if name is not None and text == name:
            message = f"The constitution has no group or principle `{name}`"
            findings.report("unknown-name", message, span, did_you_mean(name, known))
            return
    place = node.span if node is not None else draft.spec.impl_span
    findings.report("parameter", str(error), place, help=getattr(error, "help", None))


def _texts(node: Node) -> Iterator[tuple[Any, Span]]:
    """All texts below a node with their places."""
    if isinstance(node, Scalar):
        yield node.value, node.span
    elif isinstance(node, ListNode):
        for item in node.items:
            yield from _texts(item)
    elif isinstance(node, MapNode):
        for entry in node.entries:
            yield from _texts(entry.value)
