"""Places in a tree by path (`stages.rl_cai.with.beta`), and trees with one place changed.

A key may contain dots (`rl_cai.unsafe_rate`): at each step the longest key that is there wins.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from constitutional.spec.findings import did_you_mean, listed
from constitutional.spec.text import Diagnostic, Span
from constitutional.spec.yamltree import Entry, ListNode, MapNode, Node, Scalar

#: Mappings that a path may bring into being, and below which anything may be new.
OPEN: Final = frozenset({"with", "require", "limits", "budget", "executor", "models", "data", "matrix"})

#: Parts of a path, at most.
MAX_PARTS: Final = 32

#: Keys and indices from the top to the place.
Place: TypeAlias = tuple[str | int, ...]


def find(tree: Node, path: str, span: Span, root: str = "the spec") -> Place | Diagnostic:
    """Where a path leads: to something that is there, or to a key that may be added."""
    parts = path.split(".")
    if not all(parts) or len(parts) > MAX_PARTS:
        return Diagnostic("set", f"`{path}` is not a path", span, help="write names with dots between them")
    place: list[str | int] = []
    node: Node | None = tree
    while parts:
        taken = _step(node, parts, any(key in OPEN for key in place))
        if taken is None:
            known = [e.name for e in node.entries] if isinstance(node, MapNode) else []
            where = f"`{'.'.join(map(str, place))}`" if place else root
            label = did_you_mean(parts[0], [*known, *sorted(OPEN)], listed(known))
            return Diagnostic("set", f"`{path}` leads nowhere: {where} has no `{parts[0]}`", span, label)
        key, used = taken
        place.append(key)
        parts = parts[used:]
        node = _child(node, key)
    return tuple(place)


def replace_at(tree: MapNode, place: Place, value: Node, key: Scalar | None = None) -> MapNode:
    """The tree with `value` at a place that `find` gave; `key` is where its last key is written, if it is new."""
    made = _replaced(tree, place, value, key)
    assert isinstance(made, MapNode)
    return made


def _step(node: Node | None, parts: list[str], inside_open: bool) -> tuple[str | int, int] | None:
    """The next key of a path and how many of its parts that took; None where there is no way."""
    if isinstance(node, ListNode):
        found = parts[0].isdecimal() and int(parts[0]) < len(node.items)
        return (int(parts[0]), 1) if found else None
    if isinstance(node, MapNode):
        for used in range(len(parts), 0, -1):
            key = ".".join(parts[:used])
            if node.entry(key) is not None:
                return key, used
    elif node is not None and not inside_open:
        return None
    addable = len(parts) == 1 or parts[0] in OPEN or inside_open
    return (parts[0], 1) if addable else None


def _child(node: Node | None, key: str | int) -> Node | None:
    if isinstance(node, ListNode) and isinstance(key, int):
        return node.items[key]
    return node.get(str(key)) if isinstance(node, MapNode) else None


def _replaced(node: Node | None, place: Place, value: Node, key: Scalar | None) -> Node:
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(node, ListNode) and isinstance(first, int):
        items = [*node.items]
        items[first] = _replaced(items[first], rest, value, key)
        return ListNode(node.span, tuple(items))
    name = str(first)
    entries = node.entries if isinstance(node, MapNode) else ()
    span = node.span if isinstance(node, MapNode) else value.span
    if all(e.name != name for e in entries):
        new = key if key is not None and not rest else Scalar(value.span, name, name)
        return MapNode(span, (*entries, Entry(new, _replaced(None, rest, value, key))))
    changed = (Entry(e.key, _replaced(e.value, rest, value, key)) if e.name == name else e for e in entries)
    return MapNode(span, tuple(changed))
