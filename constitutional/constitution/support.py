"""Who stands behind a principle, by opinion group, as a file writes it."""

from __future__ import annotations

from typing import Final

from constitutional.constitution.groups import legal_id
from constitutional.constitution.model import Support
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.yamltree import MapNode

SUPPORT_KEYS: Final = ("agrees", "disagrees", "votes")


def read_support(node: MapNode, findings: Findings) -> dict[str, Support]:
    """The votes of each opinion group for a principle, by the group's name."""
    value = node.get("support")
    listed = None if value is None else shape.mapping(value, "`support`", findings)
    found = {}
    for entry in listed.entries if listed else ():
        legal_id(entry.key, "an opinion group", findings)
        body = shape.mapping(entry.value, f"Support of `{entry.name}`", findings)
        counted = None if body is None else _counted(body, entry.name, findings)
        if counted is not None:
            found[entry.name] = counted
    return found


def _counted(node: MapNode, name: str, findings: Findings) -> Support | None:
    shape.only_keys(node, SUPPORT_KEYS, "Support", findings)
    at = node.span.part(0, 1)
    if not shape.need_keys(node, {key: f"`{key}: 0`" for key in SUPPORT_KEYS}, f"Support of `{name}`", at, findings):
        return None
    counts = [shape.integer(value, f"`{key}`", findings, 0) for key in SUPPORT_KEYS if (value := node.get(key))]
    agrees, disagrees, votes = counts
    if agrees is None or disagrees is None or votes is None:
        return None
    if agrees + disagrees > votes:
        message = f"{agrees} agree and {disagrees} disagree, but there are {votes} votes"
        findings.report("bad-value", message, node.span, help="`votes` counts passes too")
        return None
    return Support(agrees, disagrees, votes)
