"""Principles and their examples, as a file writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from constitutional.constitution.groups import legal_id, weight
from constitutional.constitution.model import DEFAULT_GROUP, Example, Group, Principle
from constitutional.constitution.parts import Part, Written, ignored, optional_text, truth
from constitutional.constitution.support import read_support
from constitutional.diagnostic import Label, Span
from constitutional.spec import shape
from constitutional.spec.findings import Findings, did_you_mean
from constitutional.spec.yamltree import Entry, MapNode, Node, Scalar

TEXT_KEYS: Final = ("rule", "critique", "revision", "compare")
PRINCIPLE_KEYS: Final = (
    "id",
    "group",
    "weight",
    *TEXT_KEYS,
    "examples",
    "core",
    "override",
    "ignore",
    "about",
    "support",
)
EXAMPLE_KEYS: Final = ("prompt", "better", "worse")


def read_principles(top: MapNode, part: Part, known_groups: Mapping[str, Group], findings: Findings) -> None:
    """Add the principles of a file; `known_groups` are those of the files that it includes."""
    node = top.get("principles")
    listed = None if node is None else shape.sequence(node, "`principles`", findings)
    if listed is not None and not listed.items:
        findings.report("missing-key", "There are no principles", listed.span, help="write at least one `- id: ...`")
    described = bool(known_groups) or top.entry("groups") is not None
    for number, item in enumerate(listed.items if listed else (), start=1):
        body = shape.mapping(item, f"Principle {number}", findings, "write `- {id: a-short-name, rule: ...}`")
        if body is not None:
            _principle(body, number, part, {**known_groups, **part.groups} if described else None, findings)


def _principle(
    node: MapNode, number: int, part: Part, described: Mapping[str, Group] | None, findings: Findings
) -> None:
    identity = node.get("id")
    at = node.span.part(0, 1)
    shape.only_keys(node, PRINCIPLE_KEYS, "A principle", findings)
    shape.need_keys(node, {"id": "`id: a-short-name`"}, f"Principle {number}", at, findings)
    name = None if identity is None else shape.text(identity, "`id`", findings)
    if identity is not None and name is not None:
        _unique(name, identity, part, findings)
    texts = {key: optional_text(node, key, findings) or "" for key in TEXT_KEYS}
    if not any(node.entry(key) for key in TEXT_KEYS):
        place = at if identity is None else identity.span
        help = "write `rule:`, or `critique:`, `revision:` and `compare:`"
        findings.report("missing-text", f"Principle {name or number} has no text", place, help=help)
    group = optional_text(node, "group", findings) or DEFAULT_GROUP
    _known_group(node, group, part, described, findings)
    made = worded(name or str(number), texts, group, weight(node, findings), _examples(node, findings),
                  truth(node, "core", findings))  # fmt: skip
    made = replace(made, about=optional_text(node, "about", findings) or "", support=read_support(node, findings))
    places = {"id": at, **{entry.name: _place(entry) for entry in node.entries}}
    part.principles.setdefault(
        made.id, Written(made, places, truth(node, "override", findings), ignored(node, findings))
    )


def _place(entry: Entry) -> Span:
    """Where to point for a key: at its value, but for lists and mappings at the key."""
    return entry.value.span if isinstance(entry.value, Scalar) else entry.key.span


def _unique(name: str, node: Node, part: Part, findings: Findings) -> None:
    if isinstance(node, Scalar):
        legal_id(node, "a principle", findings)
    first = part.principles.get(name)
    if first is not None:
        label = Label(first.at, "first time")
        message = f"Two principles are called `{name}`"
        findings.report("duplicate-id", message, node.span, "second time", secondary=(label,))


def _known_group(
    node: MapNode, group: str, part: Part, described: Mapping[str, Group] | None, findings: Findings
) -> None:
    """Where groups are described, a principle that names one must name one of them; else it comes into being."""
    written = node.get("group")
    if described is not None and written is not None and group not in described:
        findings.report("unknown-name", f"There is no group `{group}`", written.span, did_you_mean(group, described))
    if described is None or group not in described:
        part.groups.setdefault(group, Group(group))


def worded(
    id: str, texts: Mapping[str, str], group: str = DEFAULT_GROUP, weight: float = 1.0, examples: tuple[Example, ...] = (),
    core: bool = False,
) -> Principle:  # fmt: skip
    """A principle from the texts that are given; the others are worded from them (see `Principle`)."""
    rule = texts["rule"] or texts["compare"] or texts["critique"] or texts["revision"]
    rule = " ".join(rule.split())
    return Principle(
        id=id,
        rule=rule,
        critique=texts["critique"] or f"Say in what way the reply falls short of this principle: {rule}",
        revision=texts["revision"] or f"Rewrite the reply so that it follows this principle: {rule}",
        compare=texts["compare"] or f"Which reply follows this principle better? {rule}",
        group=group,
        weight=weight,
        examples=examples,
        core=core,
    )


# -- examples --------------------------------------------------------------------------------------------------------


def _examples(node: MapNode, findings: Findings) -> tuple[Example, ...]:
    value = node.get("examples")
    listed = None if value is None else shape.sequence(value, "`examples`", findings)
    found = []
    for number, item in enumerate(listed.items if listed else (), start=1):
        body = shape.mapping(item, f"Example {number}", findings)
        example = None if body is None else _example(body, number, findings)
        if example is not None:
            found.append(example)
    return tuple(found)


def _example(node: MapNode, number: int, findings: Findings) -> Example | None:
    at = node.span.part(0, 1)
    shape.only_keys(node, EXAMPLE_KEYS, "An example", findings)
    complete = shape.need_keys(node, {key: f"`{key}: ...`" for key in EXAMPLE_KEYS}, f"Example {number}", at, findings)
    texts = {key: optional_text(node, key, findings) for key in EXAMPLE_KEYS}
    prompt, better, worse = (texts[key] for key in EXAMPLE_KEYS)
    if not complete or prompt is None or better is None or worse is None:
        return None
    if better.strip() == worse.strip():
        place = node.get("worse")
        findings.report("bad-value", "The better and the worse answer are the same", place.span if place else at)
    return Example(prompt, better, worse)
