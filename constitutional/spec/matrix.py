"""`matrix`: one value after the other in one place of a tree, and what each combination is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Final

from constitutional.spec import shape
from constitutional.spec.edit import find, replace_at
from constitutional.spec.findings import Findings
from constitutional.spec.text import Diagnostic
from constitutional.spec.yamltree import MapNode, Node, Scalar

#: More combinations than anybody wants to wait for.
MAX_CELLS: Final = 1_000
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.+/-]+")
_LONGEST: Final = 40


def read_matrix(
    node: Node, within: MapNode, findings: Findings, root: str = "the spec"
) -> Mapping[str, tuple[Node, ...]]:
    """Path -> values to try; paths must lead somewhere in `within`, at least to a place where a key may be added."""
    inner = shape.mapping(node, "`matrix`", findings)
    found: dict[str, tuple[Node, ...]] = {}
    total = 1
    for entry in inner.entries if inner else ():
        values = shape.sequence(entry.value, f"`{entry.name}`", findings)
        place = find(within, entry.name, entry.key.span, root)
        if isinstance(place, Diagnostic):
            findings.report("matrix", place.message, entry.key.span, place.label, help=place.help)
        elif values is not None and not values.items:
            findings.report("matrix", f"`{entry.name}` has no values to try", values.span)
        elif values is not None:
            found[entry.name] = values.items
            total *= len(values.items)
    if total > MAX_CELLS:
        findings.report("matrix", f"This matrix has {total:,} combinations", node.span, help=f"at most {MAX_CELLS:,}")
        return {}
    return found


def cells(matrix: Mapping[str, tuple[Node, ...]]) -> dict[str, dict[str, Node]]:
    """Label -> path -> value, for every combination; the last path changes fastest.  Empty for an empty matrix."""
    if not matrix:
        return {}
    names = _short(list(matrix))
    found: dict[str, dict[str, Node]] = {}
    for combination in product(*(enumerate(values) for values in matrix.values())):
        values = {path: node for path, (_, node) in zip(matrix, combination, strict=True)}
        label = ",".join(
            f"{names[path]}={_said(node, number)}" for path, (number, node) in zip(matrix, combination, strict=True)
        )
        found[_unused(label, found)] = values
    return found


def with_values(tree: MapNode, values: Mapping[str, Node]) -> MapNode:
    """The tree with each value at its path."""
    for path, value in values.items():
        place = find(tree, path, value.span)
        if not isinstance(place, Diagnostic):
            tree = replace_at(tree, place, value)
    return tree


def expand_matrix(tree: MapNode, findings: Findings) -> list[tuple[str, MapNode]]:
    """The whole-spec matrix: (label, tree without `matrix`) for each combination; the tree alone if it has none."""
    node = tree.get("matrix")
    bare = MapNode(tree.span, tuple(e for e in tree.entries if e.name != "matrix"))
    if node is None:
        return [("", bare)]
    return [(label, with_values(bare, values)) for label, values in cells(read_matrix(node, bare, findings)).items()]


def _short(paths: list[str]) -> dict[str, str]:
    """The last part of each path, or as many as are needed to tell paths apart."""
    for parts in range(1, max(path.count(".") for path in paths) + 2):
        names = {path: ".".join(path.split(".")[-parts:]) for path in paths}
        if len(set(names.values())) == len(paths):
            return names
    return {path: path for path in paths}


def _said(node: Node, number: int) -> str:
    text = _UNFIT.sub("_", node.text) if isinstance(node, Scalar) else ""
    return text if 0 < len(text) <= _LONGEST else f"{number + 1}"


def _unused(label: str, taken: Mapping[str, object]) -> str:
    number, free = 1, label
    while free in taken:
        number += 1
        free = f"{label}~{number}"
    return free
