"""Which principles a stage works with: by group and id, checked before the first model call."""

from __future__ import annotations

from collections.abc import Sequence

from constitutional.api import Constitution, DrawMode, Principle, UserError


def selected(constitution: Constitution, groups: Sequence[str] | None = None,
             ids: Sequence[str] | None = None, draw: DrawMode = "weight",
             without: str | None = None) -> Sequence[Principle]:  # fmt: skip
    """The principles of those groups and ids (None stands for all) that can be drawn, in the order of the file.

    `draw` says how they are drawn, `without` leaves one out.

    Raises:
        UserError: if a group or id is unknown, or nothing is left to draw from.
    """
    try:
        constitution.select(ids=None if without is None else [without])
        chosen = constitution.select(groups=groups, ids=ids, draw=draw)
        found = tuple(p for p in chosen if p.weight > 0 and p.id != without)
    except KeyError as error:
        known = ", ".join(sorted({p.group for p in constitution.principles} | {p.id for p in constitution.principles}))
        raise UserError(f"the constitution `{constitution.name}` has no group or principle {error}",
                        help=f"it has {known or 'no principles'}") from error  # fmt: skip
    if not found:
        raise UserError(f"the constitution `{constitution.name}` has no principle to draw from",
                        help="name a `constitution:` in the spec; choose principles with weight")  # fmt: skip
    return found
