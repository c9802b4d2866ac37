"""YAML text -> a tree in which every key and value knows its place.  (Skeleton; the reader follows.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from constitutional.ids import Json
from constitutional.spec.text import Span

Plain: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A text, number, truth value or null; `text` is what is written, `plain` whether it is written without quotes."""

    span: Span
    value: Plain
    text: str
    plain: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """A sequence."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of a mapping."""

    key: Scalar
    value: Node

    @property
    def name(self) -> str:
        return str(self.key.value)


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """A mapping whose keys are texts, each written once."""

    span: Span
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry | None:
        return next((e for e in self.entries if e.name == name), None)

    def get(self, name: str) -> Node | None:
        found = self.entry(name)
        return found.value if found else None


Node: TypeAlias = Scalar | ListNode | MapNode


def plain(node: Node) -> Json:
    """The values alone."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {entry.name: plain(entry.value) for entry in node.entries}
