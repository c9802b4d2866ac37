"""Groups, and the weights of groups and principles, as a file writes them."""

from __future__ import annotations

import re
from typing import Final

from constitutional.constitution.model import Group
from constitutional.constitution.parts import Part, optional_text
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.yamltree import MapNode, Scalar

GROUP_KEYS: Final = ("weight", "priority", "about")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]*")


def read_groups(top: MapNode, part: Part, findings: Findings) -> None:
    """Add the groups that the file describes."""
    node = top.get("groups")
    inner = None if node is None else shape.mapping(node, "`groups`", findings)
    for entry in inner.entries if inner else ():
        legal_id(entry.key, "a group", findings)
        body = shape.mapping(entry.value, f"Group `{entry.name}`", findings)
        if body is not None:
            shape.only_keys(body, GROUP_KEYS, f"Group `{entry.name}`", findings)
            priority = body.get("priority")
            part.groups[entry.name] = Group(
                name=entry.name,
                weight=weight(body, findings),
                priority=(shape.integer(priority, "`priority`", findings, 1) or 1) if priority is not None else 1,
                about=optional_text(body, "about", findings) or "",
            )
            part.group_places[entry.name] = entry.key.span


def weight(node: MapNode, findings: Findings) -> float:
    """The weight of a group or principle; 1 where none is written."""
    value = node.get("weight")
    found = None if value is None else shape.number(value, "`weight`", findings)
    if value is not None and found is not None and found < 0:
        findings.report("bad-value", "`weight` must not be negative", value.span, help="0 switches it off")
        return 1.0
    return 1.0 if found is None else found


def legal_id(node: Scalar, what: str, findings: Findings) -> None:
    """Report a name that no group and no principle may have."""
    if not _ID.fullmatch(node.text):
        help = "a name has lower-case letters, digits, `-` and `_`"
        findings.report("bad-name", f"`{node.text}` cannot be the name of {what}", node.span, help=help)
