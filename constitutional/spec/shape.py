"""Reading nodes: is this a mapping, a text, a number?  What is not is reported where it is written.

Every function returns None for what it has reported, so that callers go on and find the next mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from constitutional.spec.findings import Findings, did_you_mean
from constitutional.spec.text import Span
from constitutional.spec.yamltree import ListNode, MapNode, Node, Scalar

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
ENV: Final = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_LIKE_ENV: Final = re.compile(r"\$\{\s*env\b|\$env:|^\$\{[^}]*\}$|^\$[A-Z][A-Z0-9_]*$")
_NAME_HELP: Final = "a name begins with a lower-case letter and has lower-case letters, digits and `_`"


def sort_of(node: Node) -> str:
    """What a node is, in words."""
    if isinstance(node, MapNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing"
    return {bool: "true or false", str: "a text"}.get(type(node.value), "a number")


def mapping(node: Node, what: str, findings: Findings, help: str | None = None) -> MapNode | None:
    """The node, if it is a mapping."""
    if isinstance(node, MapNode):
        return node
    _wrong(node, what, "a mapping", findings, help or "write `key: value` lines under it, or remove it")
    return None


def sequence(node: Node, what: str, findings: Findings) -> ListNode | None:
    """The node, if it is a list."""
    if isinstance(node, ListNode):
        return node
    _wrong(node, what, "a list", findings, "write it as `[a, b]` or as lines that begin with `- `")
    return None


def text(node: Node, what: str, findings: Findings) -> str | None:
    """The text of a node that is no environment variable and not empty."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        quotes = "put it in quotes" if isinstance(node, Scalar) and node.text else None
        _wrong(node, what, "a text", findings, quotes)
        return None
    if ENV.fullmatch(node.value):
        help = "`${env:NAME}` may be a value in a model, a data set, `with`, `limits`, `budget` or `executor`"
        findings.report("bad-env", f"{what} cannot come from the environment", node.span, help=help)
        return None
    if not node.value.strip():
        findings.report("bad-value", f"{what} is empty", node.span)
        return None
    return node.value


def mapping_at(node: MapNode, key: str, findings: Findings, help: str | None = None) -> MapNode | None:
    """The mapping at a key; None where there is nothing too."""
    found = node.get(key)
    return None if found is None else mapping(found, f"`{key}`", findings, help)


def text_at(node: MapNode, key: str, findings: Findings) -> str | None:
    """The text at a key; None where there is nothing too."""
    found = node.get(key)
    return None if found is None else text(found, f"`{key}`", findings)


def integer(node: Node, what: str, findings: Findings, least: int) -> int | None:
    """A whole number of at least `least`."""
    if not isinstance(node, Scalar) or not isinstance(node.value, int) or isinstance(node.value, bool):
        _wrong(node, what, "a whole number", findings)
        return None
    if node.value < least:
        findings.report("bad-value", f"{what} must be at least {least}", node.span)
        return None
    return node.value


def number(node: Node, what: str, findings: Findings, help: str | None = None) -> float | None:
    """Any number."""
    if not isinstance(node, Scalar) or not isinstance(node.value, (int, float)) or isinstance(node.value, bool):
        _wrong(node, what, "a number", findings, help)
        return None
    return float(node.value)


def truth(node: Node, what: str, findings: Findings) -> bool | None:
    """`true` or `false`."""
    if not isinstance(node, Scalar) or not isinstance(node.value, bool):
        _wrong(node, what, "true or false", findings)
        return None
    return node.value


def name(key: Scalar, what: str, findings: Findings, reserved: Collection[str] = ()) -> str | None:
    """A name for a model, data set or stage."""
    if not NAME.fullmatch(key.text):
        findings.report("bad-name", f"`{key.text}` cannot be the name of {what}", key.span, help=_NAME_HELP)
        return None
    if key.text in reserved:
        findings.report("bad-name", f"`{key.text}` is a reserved word", key.span, help="choose another name")
        return None
    return key.text


def only_keys(node: MapNode, known: Iterable[str], where: str, findings: Findings, help: str | None = None) -> None:
    """Report every key that is not known here."""
    names = list(known)
    for entry in node.entries:
        if entry.name not in names:
            label = did_you_mean(entry.name, names)
            findings.report("unknown-key", f"{where} has no key `{entry.name}`", entry.key.span, label, help=help)


def need_keys(node: MapNode, needed: Mapping[str, str], where: str, at: Span, findings: Findings) -> bool:
    """Report, in one mistake, all keys that are missing; `needed` maps each to an example of its use."""
    missing = [key for key in needed if node.entry(key) is None]
    if missing:
        names = " and ".join(f"`{key}`" for key in missing)
        examples = ", ".join(needed[key] for key in missing)
        findings.report("missing-key", f"{where} lacks {names}", at, help=f"write {examples}")
    return not missing


def check_env(node: Node, findings: Findings) -> None:
    """Report every malformed `${env:NAME}` in a tree of literals."""
    waiting: list[Node] = [node]
    while waiting:
        at = waiting.pop()
        if isinstance(at, ListNode):
            waiting += at.items
        elif isinstance(at, MapNode):
            waiting += [entry.value for entry in at.entries]
        elif isinstance(at.value, str) and _LIKE_ENV.search(at.value) and not ENV.fullmatch(at.value):
            help = "write `${env:NAME}`, as the whole value; there are no other `$`-expressions"
            findings.report("bad-env", "This is not how to read an environment variable", at.span, help=help)


def _wrong(node: Node, what: str, expected: str, findings: Findings, help: str | None = None) -> None:
    findings.report("wrong-shape", f"{what} must be {expected}, not {sort_of(node)}", node.span, help=help)
