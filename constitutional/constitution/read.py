"""The constitution's file -> Constitution, with the same errors as a spec: all at once, each with its place.

The form, with every key::

    constitution: 1
    name: support-agent
    about: What a support agent may do.
    groups:                            # optional: groups that principles name come into being by themselves
      safety: {weight: 2, priority: 1, about: Comes first.}
    principles:
      - id: no-secrets
        group: safety
        weight: 2
        rule: The agent never asks for secrets.
        critique: Say where the reply asks for a secret.
        revision: Rewrite the reply so that it needs no secret.
        compare: Which reply asks for less?
        examples:
          - {prompt: ..., better: ..., worse: ...}
        about: Statement 12 of the public consultation.     # where it comes from
        support:                       # who stands behind it, by opinion group
          a: {agrees: 310, disagrees: 12, votes: 340}
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from constitutional.constitution.model import DEFAULT_GROUP, Constitution, Example, Group, Principle, Support
from constitutional.errors import SpecError
from constitutional.spec import shape
from constitutional.spec.findings import Findings, did_you_mean
from constitutional.spec.text import Diagnostic, Label, Source, Span
from constitutional.spec.yamltree import MapNode, Node, Scalar, parse, read_source

#: The format that this release reads.
VERSION: Final = 1
TOP_KEYS: Final = ("constitution", "name", "about", "groups", "principles")
PRINCIPLE_KEYS: Final = (
    "id",
    "group",
    "weight",
    "rule",
    "critique",
    "revision",
    "compare",
    "examples",
    "about",
    "support",
)
TEXT_KEYS: Final = ("rule", "critique", "revision", "compare")
GROUP_KEYS: Final = ("weight", "priority", "about")
EXAMPLE_KEYS: Final = ("prompt", "better", "worse")
SUPPORT_KEYS: Final = ("agrees", "disagrees", "votes")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_constitution(path: Path | str) -> Constitution:
    """Read a constitution.

    Raises:
        SpecError: with every mistake found.
    """
    findings = Findings()
    found = read_file(Path(path), findings)
    if findings.diagnostics or found is None:
        raise SpecError(findings.diagnostics)
    return found


def read_file(path: Path, findings: Findings, name: str | None = None) -> Constitution | None:
    """Read a constitution for those who collect mistakes; `name` is what people see of the path."""
    source = read_source(path, name)
    if isinstance(source, Diagnostic):
        findings.add(source)
        return None
    return read_source_text(source, path, findings)


def read_source_text(source: Source, path: Path | None, findings: Findings) -> Constitution | None:
    """The constitution that a text holds; None where not enough of it can be read."""
    tree, found = parse(source)
    for one in found:
        findings.add(one)
    top = None if tree is None else shape.mapping(tree, "A constitution", findings)
    if top is None:
        return None
    shape.only_keys(top, TOP_KEYS, "A constitution", findings)
    needed = {"constitution": f"`constitution: {VERSION}`", "principles": "`principles:` with a list"}
    shape.need_keys(top, needed, "The constitution", source.span(), findings)
    _version(top, findings)
    groups = _groups(top, findings)
    principles = _principles(top, groups, findings)
    fallback = path.stem if path is not None else "constitution"
    return Constitution(
        name=_optional_text(top, "name", findings) or fallback,
        principles=principles,
        groups=groups,
        about=_optional_text(top, "about", findings) or "",
        path=path,
    )


def _version(top: MapNode, findings: Findings) -> None:
    node = top.get("constitution")
    version = None if node is None else shape.integer(node, "`constitution`", findings, 1)
    if node is not None and version is not None and version != VERSION:
        message = f"This release reads format {VERSION}, not {version}"
        findings.report("bad-value", message, node.span, help=f"write `constitution: {VERSION}`")


def _optional_text(node: MapNode, key: str, findings: Findings) -> str | None:
    value = node.get(key)
    return None if value is None else shape.text(value, f"`{key}`", findings)


# -- groups ----------------------------------------------------------------------------------------------------------


def _groups(top: MapNode, findings: Findings) -> dict[str, Group]:
    """The groups that the file describes, and the names that principles use."""
    node = top.get("groups")
    inner = None if node is None else shape.mapping(node, "`groups`", findings)
    found: dict[str, Group] = {}
    for entry in inner.entries if inner else ():
        _legal_id(entry.key, "a group", findings)
        body = shape.mapping(entry.value, f"Group `{entry.name}`", findings)
        if body is not None:
            shape.only_keys(body, GROUP_KEYS, f"Group `{entry.name}`", findings)
            priority = body.get("priority")
            found[entry.name] = Group(
                name=entry.name,
                weight=_weight(body, findings),
                priority=(shape.integer(priority, "`priority`", findings, 1) or 1) if priority is not None else 1,
                about=_optional_text(body, "about", findings) or "",
            )
    return found


def _weight(node: MapNode, findings: Findings) -> float:
    value = node.get("weight")
    weight = None if value is None else shape.number(value, "`weight`", findings)
    if value is not None and weight is not None and weight < 0:
        findings.report("bad-value", "`weight` must not be negative", value.span, help="0 switches it off")
        return 1.0
    return 1.0 if weight is None else weight


# -- principles ------------------------------------------------------------------------------------------------------


def _principles(top: MapNode, groups: dict[str, Group], findings: Findings) -> tuple[Principle, ...]:
    node = top.get("principles")
    listed = None if node is None else shape.sequence(node, "`principles`", findings)
    if listed is not None and not listed.items:
        findings.report("missing-key", "There are no principles", listed.span, help="write at least one `- id: ...`")
    seen: dict[str, Span] = {}
    described = top.entry("groups") is not None
    found = []
    for number, item in enumerate(listed.items if listed else (), start=1):
        body = shape.mapping(item, f"Principle {number}", findings)
        if body is not None:
            found.append(_principle(body, number, groups, described, seen, findings))
    return tuple(found)


def _principle(
    node: MapNode,
    number: int,
    groups: dict[str, Group],
    described: bool,
    seen: dict[str, Span],
    findings: Findings,
) -> Principle:
    identity = node.get("id")
    at = node.span.part(0, 1)
    shape.only_keys(node, PRINCIPLE_KEYS, "A principle", findings)
    shape.need_keys(node, {"id": "`id: a-short-name`"}, f"Principle {number}", at, findings)
    name = None if identity is None else shape.text(identity, "`id`", findings)
    if identity is not None and name is not None:
        _unique(name, identity, seen, findings)
    texts = {key: _optional_text(node, key, findings) or "" for key in TEXT_KEYS}
    if not any(node.entry(key) for key in TEXT_KEYS):
        place = at if identity is None else identity.span
        help = "write `rule:`, or `critique:`, `revision:` and `compare:`"
        findings.report("missing-text", f"Principle {name or number} has no text", place, help=help)
    group = _optional_text(node, "group", findings) or DEFAULT_GROUP
    _known_group(node, group, groups, described, findings)
    weight = _weight(node, findings) * groups[group].weight
    made = worded(name or str(number), texts, group, weight, _examples(node, findings))
    return replace(made, about=_optional_text(node, "about", findings) or "", support=_support(node, findings))


def _unique(name: str, node: Node, seen: dict[str, Span], findings: Findings) -> None:
    if isinstance(node, Scalar):
        _legal_id(node, "a principle", findings)
    first = seen.setdefault(name, node.span)
    if first is not node.span:
        label = Label(first, "first time")
        message = f"Two principles are called `{name}`"
        findings.report("duplicate-id", message, node.span, "second time", secondary=(label,))


def _legal_id(node: Scalar, what: str, findings: Findings) -> None:
    if not _ID.fullmatch(node.text):
        help = "a name has lower-case letters, digits, `-` and `_`"
        findings.report("bad-name", f"`{node.text}` cannot be the name of {what}", node.span, help=help)


def _known_group(node: MapNode, group: str, groups: dict[str, Group], described: bool, findings: Findings) -> None:
    """Where the file describes groups, a principle that names one must name one of them; else it comes into being."""
    written = node.get("group")
    if described and written is not None and group not in groups:
        findings.report("unknown-name", f"There is no group `{group}`", written.span, did_you_mean(group, groups))
    groups.setdefault(group, Group(group))


def worded(id: str, texts: dict[str, str], group: str, weight: float, examples: tuple[Example, ...] = ()) -> Principle:
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
    texts = {key: _optional_text(node, key, findings) for key in EXAMPLE_KEYS}
    prompt, better, worse = (texts[key] for key in EXAMPLE_KEYS)
    if not complete or prompt is None or better is None or worse is None:
        return None
    if better.strip() == worse.strip():
        place = node.get("worse")
        findings.report("bad-value", "The better and the worse answer are the same", place.span if place else at)
    return Example(prompt, better, worse)


# -- support ---------------------------------------------------------------------------------------------------------


def _support(node: MapNode, findings: Findings) -> dict[str, Support]:
    value = node.get("support")
    listed = None if value is None else shape.mapping(value, "`support`", findings)
    found = {}
    for entry in listed.entries if listed else ():
        _legal_id(entry.key, "an opinion group", findings)
        body = shape.mapping(entry.value, f"Support of `{entry.name}`", findings)
        counted = None if body is None else _counted(body, entry.name, findings)
        if counted is not None:
            found[entry.name] = counted
    return found


def _counted(node: MapNode, name: str, findings: Findings) -> Support | None:
    shape.only_keys(node, SUPPORT_KEYS, "Support", findings)
    at = node.span.part(0, 1)
    if not shape.need_keys(node, {key: f"`{key}: 0`" for key in SUPPORT_KEYS}, f"Support of `{name}`", at, findings):
        return None
    counts = [shape.integer(value, f"`{key}`", findings, 0) for key in SUPPORT_KEYS if (value := node.get(key))]
    agrees, disagrees, votes = counts
    if agrees is None or disagrees is None or votes is None:
        return None
    if agrees + disagrees > votes:
        message = f"{agrees} agree and {disagrees} disagree, but there are {votes} votes"
        findings.report("bad-value", message, node.span, help="`votes` counts passes too")
        return None
    return Support(agrees, disagrees, votes)
