"""The constitution's file -> Constitution, with the same errors as a spec: all at once, each with its place.

The form, with every key::

    constitution: 1
    name: support-agent
    about: What a support agent may do.
    include: [core.yaml]               # optional: other constitutions, whose principles come first
    ignore: {thin-coverage: A desk.}   # optional: lint rules that are switched off, and why
    groups:                            # optional: groups that principles name come into being by themselves
      safety: {weight: 2, priority: 1, about: Comes first.}
    principles:
      - id: no-secrets
        group: safety
        weight: 2
        core: true                     # files that include this one cannot override it
        override: false                # true: replaces the included principle of this id
        ignore: {over-specific: Why.}
        rule: The agent never asks for secrets.
        critique: Say where the reply asks for a secret.
        revision: Rewrite the reply so that it needs no secret.
        compare: Which reply asks for less?
        examples:
          - {prompt: ..., better: ..., worse: ...}
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from constitutional.constitution import include
from constitutional.constitution.groups import read_groups
from constitutional.constitution.model import Constitution, Group
from constitutional.constitution.parts import Part, ignored, optional_text
from constitutional.constitution.principles import read_principles
from constitutional.diagnostic import Diagnostic, Source, Span
from constitutional.errors import SpecError
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.yamltree import MapNode, Node, parse, read_source

#: The format that this release reads.
VERSION: Final = 1
TOP_KEYS: Final = ("constitution", "name", "about", "include", "ignore", "groups", "principles")


def read_constitution(path: Path | str) -> Constitution:
    """Read a constitution and all that it includes.

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
    reader = _Reader(findings)
    top = reader.top(source)
    if top is None:
        return None
    if path is not None and path.suffix == ".json" and top.entry("constitution") is None:
        _published(top, path, findings)
        return None
    whole = reader.whole(top, path, (path,) if path is not None else ())
    fallback = path.stem if path is not None else "constitution"
    named = {"": whole.ignored, **{id: written.ignored for id, written in whole.principles.items()}}
    return Constitution(
        name=optional_text(top, "name", findings) or fallback,
        principles=tuple(
            replace(w.principle, weight=w.principle.weight * whole.groups.get(w.principle.group, _PLAIN).weight)
            for w in whole.principles.values()
        ),
        groups=whole.groups,
        about=optional_text(top, "about", findings) or "",
        path=path,
        places={id: written.places for id, written in whole.principles.items()},
        ignored={id: reasons for id, reasons in named.items() if reasons},
        top=_beginning(top),
    )


#: For principles whose group was condemned.
_PLAIN: Final = Group("")


@dataclass(slots=True)
class _Reader:
    """Reads a file and what it includes; each file once."""

    findings: Findings
    _read: dict[str, Part] = field(default_factory=dict)

    def top(self, source: Source) -> MapNode | None:
        """The mapping that a text holds."""
        tree, found = parse(source)
        for one in found:
            self.findings.add(one)
        published = "a published file in JSON is turned into one by `constitutional import-constitution FILE`"
        help = published if source.name.endswith(".json") else None
        return None if tree is None else shape.mapping(tree, "A constitution", self.findings, help)

    def whole(self, top: MapNode, path: Path | None, chain: tuple[Path, ...]) -> Part:
        """A file joined with all that it includes, which comes first."""
        findings, whole = self.findings, Part()
        shape.only_keys(top, TOP_KEYS, "A constitution", findings)
        needed = {"constitution": f"`constitution: {VERSION}`"}
        if top.entry("include") is None:
            needed["principles"] = "`principles:` with a list"
        shape.need_keys(top, needed, "The constitution", top.span.source.span(), findings)
        self._version(top)
        if path is not None:
            self._read[include.real(path)] = whole
        for target, node in include.named(top, path, findings):
            included = self._included(target, node, chain)
            if included is not None:
                include.add(whole, included, findings)
        own = Part(ignored=ignored(top, findings))
        read_groups(top, own, findings)
        read_principles(top, own, whole.groups, findings)
        include.add(whole, own, findings, own=True)
        whole.ignored.update(own.ignored)
        return whole

    def _included(self, target: Path, node: Node, chain: tuple[Path, ...]) -> Part | None:
        """An included file, which is read once; None where it cannot be read."""
        real = include.real(target)
        if real in [include.real(one) for one in chain]:
            names = " -> ".join(one.name for one in [*chain, target])
            message = f"These constitutions include one another: {names}"
            self.findings.report("include", message, node.span, help="break the circle")
            return None
        if real in self._read:
            return self._read[real]
        if len(chain) >= include.MAX_CHAIN or len(self._read) >= include.MAX_FILES:
            limit = f"{include.MAX_CHAIN} in a chain, {include.MAX_FILES} in all"
            self.findings.report("include", "Too many constitutions include one another", node.span, help=limit)
            return None
        source = read_source(target)
        if isinstance(source, Diagnostic):
            self.findings.report(source.code, source.message, node.span, help=source.help)
            return None
        top = self.top(source)
        return None if top is None else self.whole(top, target, (*chain, target))

    def _version(self, top: MapNode) -> None:
        node = top.get("constitution")
        version = None if node is None else shape.integer(node, "`constitution`", self.findings, 1)
        if node is not None and version is not None and version != VERSION:
            message = f"This release reads format {VERSION}, not {version}"
            self.findings.report("bad-value", message, node.span, help=f"write `constitution: {VERSION}`")


def _published(top: MapNode, path: Path, findings: Findings) -> None:
    """Say what to do with a file in somebody else's form."""
    help = f"turn it into one: `constitutional import-constitution {path.name} -o {path.stem}.yaml`"
    findings.report("missing-key", "This JSON is no constitution: it lacks `constitution: 1`", top.span, help=help)


def _beginning(top: MapNode) -> Span:
    """Where to point for what a constitution as a whole has or lacks."""
    entry = top.entry("principles") or top.entry("include")
    return top.span.source.span() if entry is None else entry.key.span
