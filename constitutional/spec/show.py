"""Spec -> canonical YAML: what was read, after `extends` and `--set`, in the language's own order.

`${env:NAME}` stays as it is written.  Reading the result gives the same spec.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from constitutional.ids import Json
from constitutional.spec.model import Spec
from constitutional.spec.params import exists
from constitutional.spec.read import TOP_KEYS
from constitutional.spec.stages import KINDS
from constitutional.spec.yamltree import Entry, ListNode, MapNode, Node, Scalar, resolve
from constitutional.text import display_width

_FIRST: Final = (*KINDS, "backend", "source", "use", "repeat", "from")
_LAST: Final = ("stages", "result", "with", "matrix", "require")
_WIDTH: Final = 100
_BARE: Final = re.compile(r"(?:[A-Za-z_/]|\.{1,2}/)[\w./@+~=-]*(?:[: ](?=[\w./@+~=-])[\w./@+~=-]+)*")
_UNSEEN: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def show(spec: Spec) -> str:
    """The spec as YAML text."""
    return show_tree(spec.tree, spec.path.parent)


def show_tree(tree: MapNode, folder: Path) -> str:
    """A tree as YAML text; paths that were written in other folders are rewritten from this one."""
    top = sorted(tree.entries, key=lambda e: TOP_KEYS.index(e.name) if e.name in TOP_KEYS else len(TOP_KEYS))
    lines: list[str] = []
    for entry in top:
        value = _tidy(entry.value, folder)
        if lines and isinstance(value, Mapping):
            lines.append("")
        lines += _block({entry.name: value})
    return "\n".join(lines) + "\n"


# -- order and paths -------------------------------------------------------------------------------------------------


def _tidy(node: Node, folder: Path) -> Json:
    """Plain values with keys in order, and paths as seen from `folder`."""
    if isinstance(node, Scalar):
        return _path_from(node, folder)
    if isinstance(node, ListNode):
        return [_tidy(item, folder) for item in node.items]
    return {entry.name: _tidy(entry.value, folder) for entry in sorted(node.entries, key=_rank)}


def _rank(entry: Entry) -> int:
    if entry.name in _FIRST:
        return _FIRST.index(entry.name) - len(_FIRST)
    return 1 + _LAST.index(entry.name) if entry.name in _LAST else 0


def _path_from(node: Scalar, folder: Path) -> Json:
    """A text that is the path of something there, seen from the folder that it was written for."""
    home, text = node.span.source.folder, node.value
    if not isinstance(text, str) or not 0 < len(text) <= 255 or "\n" in text or home == folder:
        return text
    if home.resolve() == folder.resolve():
        return text
    if Path(text).is_absolute() or not exists(home / text):
        return text
    moved = os.path.relpath(home / text, folder)
    return f"./{moved}" if text.startswith("./") and not moved.startswith(".") else moved


# -- writing ---------------------------------------------------------------------------------------------------------


def _block(value: Mapping[str, Json]) -> list[str]:
    """The lines of a mapping."""
    lines = []
    for key, inner in value.items():
        head = f"{_scalar(key)}:"
        flow = _flow(inner)
        if display_width(head) + display_width(flow) < _WIDTH - 4 and _leaf(inner):
            lines.append(f"{head} {flow}")
        elif isinstance(inner, Mapping):
            lines += [head, *(f"  {line}".rstrip() for line in _block(inner))]
        elif isinstance(inner, str):
            lines += _text_lines(head, inner)
        elif isinstance(inner, Sequence):
            lines += [head, *(line for item in inner for line in _item(item))]
    return lines


def _item(value: Json) -> list[str]:
    """The lines of one item of a list."""
    if isinstance(value, Mapping) and value and not (_leaf(value) and len(_flow(value)) < _WIDTH - 8):
        first, *rest = _block(value)
        return [f"  - {first}", *(f"    {line}" for line in rest)]
    return [f"  - {_flow(value)}"]


def _leaf(value: Json) -> bool:
    """Whether a value is shown on one line if it fits: nothing in it has an inside of its own."""
    if isinstance(value, str):
        return "\n" not in value
    inside = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, Sequence) else ()
    return all(_leaf(item) and (not isinstance(item, Mapping) or not item or _small(item)) for item in inside)


def _small(value: Mapping[str, Json]) -> bool:
    return len(value) <= 3 and not any(isinstance(item, (Mapping, list)) for item in value.values())


def _flow(value: Json) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        bare = _BARE.fullmatch(value) is not None and resolve(value) == value
    except ValueError:
        bare = False
    return value if bare else _UNSEEN.sub(lambda c: f"\\u{ord(c[0]):04x}", json.dumps(value, ensure_ascii=False))


def _text_lines(head: str, text: str) -> list[str]:
    """A text of several lines, as a block where that keeps every character."""
    lines = text.removesuffix("\n").split("\n")
    clean = text.strip() and not _UNSEEN.search(text) and not text[0].isspace() and not text.endswith("\n\n")
    if "\n" not in text or not clean or any(line != line.rstrip() or "\r" in line or "\t" in line for line in lines):
        return [f"{head} {_scalar(text)}"]
    return [f"{head} {'|' if text.endswith(chr(10)) else '|-'}", *(f"  {line}" if line else "" for line in lines)]
