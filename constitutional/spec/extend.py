"""`extends` and `--set`: from several texts to one tree, in which every node knows the text it came from.

What extends wins, key by key.  A model, data set or stage that names *another* implementation replaces the whole of
what it extends, since the parameters of one mean nothing to the other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from constitutional.spec.edit import find, replace_at
from constitutional.spec.findings import Findings
from constitutional.spec.stages import KINDS
from constitutional.spec.text import Diagnostic, Source, Span
from constitutional.spec.yamltree import Entry, MapNode, Node, Scalar, parse, read_source

#: Files in one chain of `extends`, at most.
MAX_CHAIN: Final = 8
_IDENTITY: Final = frozenset({*KINDS, "backend", "source"})
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def read_tree(path: Path, sets: Sequence[str], findings: Findings) -> tuple[Node | None, Source]:
    """The tree of a spec with all that it extends and all `--set`s, and the spec's own text."""
    source = read_source(path)
    if isinstance(source, Diagnostic):
        findings.add(source)
        return None, source.span.source
    tree = _extended(source, path, (path,), None, findings)
    if not isinstance(tree, MapNode):
        return tree, source
    for number, said in enumerate(sets, start=1):
        tree = apply_set(tree, said, number, findings)
    return tree, source


# -- extends ---------------------------------------------------------------------------------------------------------


def _extended(
    source: Source, path: Path, chain: tuple[Path, ...], asked: Span | None, findings: Findings
) -> Node | None:
    """The tree of one text, laid over the tree of what it extends."""
    tree, found = parse(source)
    for one in found:
        findings.add(one)
    if not isinstance(tree, MapNode):
        if asked is not None and tree is not None:
            findings.report("wrong-shape", "A spec must be a mapping", tree.span)
        return tree
    entry = tree.entry("extends")
    below = None if entry is None else _base(entry.value, path, chain, findings)
    own = MapNode(tree.span, tuple(e for e in tree.entries if e.name != "extends"))
    return merge(below, own) if isinstance(below, MapNode) else own


def _base(node: Node, path: Path, chain: tuple[Path, ...], findings: Findings) -> Node | None:
    target = _target(node, path, findings)
    if target is None:
        return None
    if _real(target) in [_real(one) for one in chain]:
        names = " -> ".join(one.name for one in [*chain, target])
        findings.report("extends", f"These specs extend one another: {names}", node.span, help="break the circle")
        return None
    if len(chain) >= MAX_CHAIN:
        findings.report("extends", f"More than {MAX_CHAIN} specs extend one another", node.span)
        return None
    source = read_source(target)
    if isinstance(source, Diagnostic):
        findings.report(source.code, source.message, node.span, help=source.help)
        return None
    return _extended(source, target, (*chain, target), node.span, findings)


def _real(path: Path) -> str:
    """The file behind a path; `realpath` never raises, not even for links that lead in circles."""
    return os.path.realpath(path)


def _target(node: Node, path: Path, findings: Findings) -> Path | None:
    """The file that `extends` names: a relative path to YAML, nothing else."""
    text = node.value if isinstance(node, Scalar) else None
    help = "write the path of a spec, relative to this file: `extends: base.yaml`"
    if not isinstance(text, str) or not text:
        findings.report("wrong-shape", "`extends` must be the path of one spec", node.span, help=help)
        return None
    if Path(text).is_absolute() or "\\" in text or _URL.match(text):
        findings.report("extends", "Only a relative path may be extended", node.span, help=help)
        return None
    if Path(text).suffix not in (".yaml", ".yml"):
        findings.report("extends", "Only a `.yaml` file may be extended", node.span, help=help)
        return None
    return path.parent / text


def merge(below: MapNode, above: MapNode) -> MapNode:
    """One mapping laid over another: keys of `above` win, mappings under one key are merged in turn."""
    over = {e.name: e for e in above.entries}
    merged = [_merged_entry(e, over.pop(e.name, None)) for e in below.entries]
    return MapNode(above.span, (*merged, *over.values()))


def _merged_entry(below: Entry, above: Entry | None) -> Entry:
    if above is None:
        return below
    mappings = isinstance(below.value, MapNode) and isinstance(above.value, MapNode)
    if not mappings or _redefined(below.value, above.value):
        return above
    assert isinstance(below.value, MapNode)
    assert isinstance(above.value, MapNode)
    return Entry(above.key, merge(below.value, above.value))


def _redefined(below: Node, above: Node) -> bool:
    """Whether `above` names an implementation, and another one."""
    new = _identity(above)
    return new is not None and new != _identity(below)


def _identity(node: Node) -> tuple[str, str] | None:
    entries = node.entries if isinstance(node, MapNode) else ()
    said = [(e.name, e.value.text) for e in entries if e.name in _IDENTITY and isinstance(e.value, Scalar)]
    return said[0] if said else None


# -- --set -----------------------------------------------------------------------------------------------------------


def apply_set(tree: MapNode, said: str, number: int, findings: Findings) -> MapNode:
    """The tree with one `PATH=VALUE` of the command line; the value is YAML, its paths are relative to where we are."""
    source = Source(f"--set #{number}", said, Path.cwd())
    path, sign, value = said.partition("=")
    span = source.span(1, 1, len(path) or 1)
    if not sign or not path.strip():
        example = "write `--set stages.rl_cai.with.beta=0.05`"
        findings.report("set", "A `--set` has the form PATH=VALUE", span, help=example)
        return tree
    place = find(tree, path, span)
    if isinstance(place, Diagnostic):
        findings.add(place)
        return tree
    node = _value(source, len(path) + 1, value, findings)
    if node is None:
        return tree
    last = str(place[-1])
    key = Scalar(source.span(1, len(path) - len(last) + 1, len(last)), last, last)
    return replace_at(tree, place, node, key)


def _value(source: Source, start: int, value: str, findings: Findings) -> Node | None:
    """The value, read as YAML at its place behind the `=`; nothing at all stands for null."""
    if not value.strip():
        return Scalar(source.span(1, start + 1), None, "")
    node, found = parse(source, " " * start + value)
    for one in found:
        findings.add(one)
    return None if found else node
