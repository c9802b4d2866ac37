"""What is different between two constitutions, and what each difference can change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from constitutional.constitution.model import Constitution, Group, Principle

Kind: TypeAlias = Literal["added", "removed", "changed"]
TEXTS = ("rule", "critique", "revision", "compare")


@dataclass(frozen=True, slots=True)
class Change:
    """One principle that is not what it was."""

    id: str
    kind: Kind
    #: By key, before and after; None where there is none.
    texts: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    weight: tuple[float, float] | None = None
    group: tuple[str, str] | None = None
    priority: tuple[int, int] | None = None
    #: Examples that are gone, and examples that are new.
    examples: tuple[int, int] = (0, 0)
    #: The id of a principle with the same texts that is gone.
    renamed_from: str | None = None

    @property
    def said(self) -> bool:
        """Whether prompts change: rows that drew the principle are asked again."""
        return self.kind == "changed" and bool(self.texts or self.group)

    @property
    def drawn(self) -> bool:
        """Whether rows move: some draw another principle than before."""
        return self.kind != "changed" or self.weight is not None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "kind": self.kind, "texts": {key: list(pair) for key, pair in self.texts.items()},
            "weight": self.weight, "group": self.group, "priority": self.priority,
            "examples": {"removed": self.examples[0], "added": self.examples[1]}, "renamed_from": self.renamed_from,
        }  # fmt: skip


def diff(old: Constitution, new: Constitution) -> list[Change]:
    """Every principle that was added, removed or changed; in the order of the new file, what is gone last."""
    before, after = {p.id: p for p in old}, {p.id: p for p in new}
    gone = [p for p in old if p.id not in after]
    found = [_added(p, gone, new) if p.id not in before else _changed(before[p.id], p, old, new) for p in new]
    found += [Change(p.id, "removed", {key: (getattr(p, key), None) for key in _written(p, old)}) for p in gone]
    return [change for change in found if change is not None]


def _added(principle: Principle, gone: Sequence[Principle], new: Constitution) -> Change:
    texts = [getattr(principle, key) for key in TEXTS]
    twin = next((p.id for p in gone if [getattr(p, key) for key in TEXTS] == texts), None)
    written = {key: (None, getattr(principle, key)) for key in _written(principle, new)}
    return Change(principle.id, "added", written, renamed_from=twin)


def _changed(was: Principle, now: Principle, old: Constitution, new: Constitution) -> Change | None:
    keys = [key for key in TEXTS if getattr(was, key) != getattr(now, key)]
    priorities = old.priority(was), new.priority(now)
    change = Change(
        now.id,
        "changed",
        {key: (getattr(was, key), getattr(now, key)) for key in keys},
        (was.weight, now.weight) if was.weight != now.weight else None,
        (was.group, now.group) if was.group != now.group else None,
        priorities if priorities[0] != priorities[1] else None,
        (len(set(was.examples) - set(now.examples)), len(set(now.examples) - set(was.examples))),
    )
    same = not (change.texts or change.weight or change.group or change.priority or any(change.examples))
    return None if same else change


def _written(principle: Principle, whole: Constitution) -> list[str]:
    return [key for key in TEXTS if whole.written(principle.id, key)]


def groups(old: Constitution, new: Constitution) -> list[tuple[str, Group | None, Group | None]]:
    """Groups that were added, removed or changed."""
    names = dict.fromkeys([*new.groups, *old.groups])
    pairs = [(name, old.groups.get(name), new.groups.get(name)) for name in names]
    return [(name, was, now) for name, was, now in pairs if was != now]
