"""`include`: from several files of principles to one, with tiers that those further out cannot undo.

Included files come first, in the order in which they are named; a file that is reached by two ways counts once.  A
principle may replace an included one of its id by saying `override: true`, unless that one is `core`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from constitutional.constitution.parts import Part, Written
from constitutional.diagnostic import Label
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.yamltree import MapNode, Node, Scalar

#: Files in one chain of `include`, and files in all, at most.
MAX_CHAIN: Final = 8
MAX_FILES: Final = 64
#: Principles of all files together, at most.
MAX_PRINCIPLES: Final = 5_000
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_HELP: Final = "write paths relative to this file: `include: [core.yaml]`"


def named(top: MapNode, path: Path | None, findings: Findings) -> list[tuple[Path, Node]]:
    """The files that a constitution includes, and where it names them."""
    node = top.get("include")
    listed = None if node is None else shape.sequence(node, "`include`", findings)
    found = []
    for item in listed.items if listed else ():
        target = _target(item, path, findings)
        if target is not None:
            found.append((target, item))
    return found


def _target(node: Node, path: Path | None, findings: Findings) -> Path | None:
    text = node.value if isinstance(node, Scalar) else None
    if not isinstance(text, str) or not text:
        findings.report("wrong-shape", "`include` holds paths of constitutions", node.span, help=_HELP)
    elif Path(text).is_absolute() or "\\" in text or _URL.match(text):
        findings.report("include", "Only a relative path may be included", node.span, help=_HELP)
    elif Path(text).suffix not in (".yaml", ".yml"):
        findings.report("include", "Only a `.yaml` file may be included", node.span, help=_HELP)
    else:
        return (path.parent if path is not None else node.span.source.folder) / text
    return None


def real(path: Path) -> str:
    """The file behind a path; `realpath` never raises, not even for links that lead in circles."""
    return os.path.realpath(path)


def add(whole: Part, part: Part, findings: Findings, own: bool = False) -> None:
    """Join a file with what came before: with what it includes (`own`), or with files that are included beside it."""
    _add_groups(whole, part, findings)
    for id, written in part.principles.items():
        before = whole.principles.get(id)
        if before is written or _among(written, whole.replaced):
            continue
        if before is None and own and written.override:
            findings.report("include", f"`{id}` overrides nothing", written.places["override"],
                            help="no included file has a principle of this id; remove `override`")  # fmt: skip
        if before is None or _among(before, part.replaced):
            whole.principles[id] = written
        elif _may_replace(before, written, own, findings):
            whole.principles[id] = written
            whole.replaced.append(before)
    whole.replaced += part.replaced
    if len(whole.principles) > MAX_PRINCIPLES:
        last = list(whole.principles.values())[MAX_PRINCIPLES]
        findings.report("include", f"More than {MAX_PRINCIPLES:,} principles", last.at)


def _among(written: Written, several: list[Written]) -> bool:
    return any(one is written for one in several)


def _may_replace(before: Written, written: Written, own: bool, findings: Findings) -> bool:
    id, there = written.principle.id, Label(before.at, "core here" if before.principle.core else "first time")
    if before.principle.core:
        findings.report("core-principle", f"`{id}` is a core principle and cannot be overridden", written.at,
                        secondary=(there,), help="give this principle another id; it then stands beside the core one")  # fmt: skip
        return False
    if not own or not written.override:
        way = "write `override: true` here to replace the included one" if own else "include only one of the two files"
        message = f"Two principles are called `{id}`"
        findings.report("duplicate-id", message, written.at, "second time", secondary=(there,),
                        help=f"rename one, or {way}")  # fmt: skip
        return False
    return True


def _add_groups(whole: Part, part: Part, findings: Findings) -> None:
    for name, group in part.groups.items():
        here, there = part.group_places.get(name), whole.group_places.get(name)
        if here is None:
            whole.groups.setdefault(name, group)
        elif there is None or here is there:
            core = _core_of(whole, name) if there is None else None
            if core is not None:
                findings.report("core-principle", f"Group `{name}` holds core principles and cannot be described here", here,
                                secondary=(Label(core.at, "core here"),),
                                help="what a core principle weighs is said where it is written")  # fmt: skip
            whole.groups[name], whole.group_places[name] = group, here
        else:
            core = _core_of(whole, name)
            message = f"Group `{name}` is described twice" + (", and it holds core principles" if core else "")
            findings.report("core-principle" if core else "duplicate-key", message, here, "second time",
                            secondary=(Label(there, "first time"),),
                            help="describe a group in one file; principles of every file may join it")  # fmt: skip


def _core_of(whole: Part, group: str) -> Written | None:
    """A core principle of a group, if it has one."""
    return next((w for w in whole.principles.values() if w.principle.core and w.principle.group == group), None)
