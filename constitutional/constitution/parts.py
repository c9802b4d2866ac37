"""What one file of a constitution writes, before it is joined with the files that it includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from constitutional.constitution.model import Group, Principle
from constitutional.diagnostic import Span
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.yamltree import MapNode


@dataclass(frozen=True, slots=True)
class Written:
    """A principle with its own weight, and where its keys are."""

    principle: Principle
    places: Mapping[str, Span]
    override: bool = False
    ignored: Mapping[str, str] = field(default_factory=dict)

    @property
    def at(self) -> Span:
        return self.places["id"]


@dataclass(slots=True)
class Part:
    """Groups and principles, by name, in the order of the file."""

    groups: dict[str, Group] = field(default_factory=dict)
    #: Where each described group is; those that came into being by themselves have no place.
    group_places: dict[str, Span] = field(default_factory=dict)
    principles: dict[str, Written] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)
    #: What was overridden on the way: it stays so where the same file is reached a second time.
    replaced: list[Written] = field(default_factory=list)


def optional_text(node: MapNode, key: str, findings: Findings) -> str | None:
    """The text of a key, if it is there."""
    value = node.get(key)
    return None if value is None else shape.text(value, f"`{key}`", findings)


def ignored(node: MapNode, findings: Findings) -> dict[str, str]:
    """Lint rules that are switched off here: the name of each, and why."""
    value = node.get("ignore")
    help = "write `ignore: {RULE: the reason why}`"
    inner = None if value is None else shape.mapping(value, "`ignore`", findings, help)
    said = {}
    for entry in inner.entries if inner else ():
        reason = shape.text(entry.value, f"The reason to ignore `{entry.name}`", findings)
        if reason is not None:
            said[entry.name] = reason
    return said


def truth(node: MapNode, key: str, findings: Findings) -> bool:
    """The truth value of a key; False where it is not there."""
    value = node.get(key)
    return False if value is None else bool(shape.truth(value, f"`{key}`", findings))
