"""Spec -> canonical YAML: what was read, after `extends` and `--set`, in the language's own order.

`${env:NAME}` stays as it is written.  Reading the result gives the same spec.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import yaml

from constitutional.spec.model import Spec
from constitutional.spec.read import TOP_KEYS
from constitutional.spec.stages import KINDS
from constitutional.spec.yamltree import Entry, ListNode, MapNode, Node, Scalar, resolve

_FIRST: Final = (*KINDS, "backend", "source", "use", "repeat", "from")
_LAST: Final = ("stages", "result", "with", "matrix", "require")
_WIDTH: Final = 100


def show(spec: Spec) -> str:
    """The spec as YAML text."""
    top = sorted(spec.tree.entries, key=lambda e: TOP_KEYS.index(e.name) if e.name in TOP_KEYS else len(TOP_KEYS))
    blocks = [_dump({entry.name: _tidy(entry.value, spec.path.parent)}) for entry in top]
    return "".join(blocks)


def _tidy(node: Node, folder: Path) -> Any:
    """Plain values with keys in order, and paths of other folders rewritten from this one."""
    if isinstance(node, Scalar):
        return _path_from(node, folder)
    if isinstance(node, ListNode):
        return [_tidy(item, folder) for item in node.items]
    return {entry.name: _tidy(entry.value, folder) for entry in sorted(node.entries, key=_rank)}


def _rank(entry: Entry) -> int:
    if entry.name in _FIRST:
        return _FIRST.index(entry.name) - len(_FIRST)
    return 1 + _LAST.index(entry.name) if entry.name in _LAST else 0


def _path_from(node: Scalar, folder: Path) -> Any:
    """A text that is the path of something there, seen from the folder that it was written for."""
    home = node.span.source.folder
    text = node.value
    if not isinstance(text, str) or not text or len(text) > 255 or home.resolve() == folder.resolve():
        return text
    if "\n" in text or Path(text).is_absolute() or not (home / text).exists():
        return text
    moved = os.path.relpath(home / text, folder)
    return f"./{moved}" if text.startswith("./") and not moved.startswith(".") else moved


class _Dumper(yaml.SafeDumper):
    """Writes YAML that both versions of the language read alike."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """In quotes where a word would be read as something else; long texts with breaks as blocks."""
    try:
        safe = resolve(value) == value and isinstance(resolve(value), str)
    except ValueError:
        safe = False
    style = None if safe else "'"
    if "\n" in value and value == value.strip() and all(line == line.rstrip() for line in value.split("\n")):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def _dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


def show_tree(tree: MapNode, folder: Path) -> str:
    """A tree as YAML text, in the order of the file."""
    return _dump(_tidy(tree, folder))
