"""Principles and the constitution that holds them: plain, frozen, and small enough to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from constitutional.ids import Json, digest

#: The group of principles that name none.
DEFAULT_GROUP = "principles"


@dataclass(frozen=True, slots=True)
class Example:
    """A unit test of a principle: of two answers to one prompt, the better and the worse one."""

    prompt: str
    better: str
    worse: str

    def to_json(self) -> dict[str, Json]:
        return {"prompt": self.prompt, "better": self.better, "worse": self.worse}


@dataclass(frozen=True, slots=True)
class Support:
    """How one opinion group voted on the statement that a principle came from; the rest of its `votes` are passes."""

    agrees: int
    disagrees: int
    votes: int


@dataclass(frozen=True, slots=True)
class Principle:
    """One principle.  `weight` already includes its group's: it says how often rows meet this one.

    A file must give at least one text.  What it leaves out is worded from what it gives: `rule` (a short statement)
    falls back on `compare`, then `critique`, then `revision`; the other three are made from the rule, so that a
    constitution of plain rules works with every stage.
    """

    id: str
    rule: str
    critique: str
    revision: str
    compare: str
    group: str = DEFAULT_GROUP
    weight: float = 1.0
    examples: tuple[Example, ...] = ()
    #: Where the principle comes from, for people.
    about: str = ""
    #: Who stands behind it, by opinion group.
    support: Mapping[str, Support] = field(default_factory=dict, hash=False)

    def to_json(self) -> dict[str, Json]:
        """What a prompt can see, under the names that templates use."""
        return {"id": self.id, "group": self.group, "rule": self.rule, "critique": self.critique,
                "revision": self.revision, "compare": self.compare}  # fmt: skip

    def digest(self) -> str:
        """Covers what a prompt can see; neither weight, examples nor provenance, which change no prompt."""
        return digest(self.to_json())


@dataclass(frozen=True, slots=True)
class Group:
    """Principles that belong together.

    `weight` multiplies the weights of its principles; `priority` says which group wins where two conflict: 1 is the
    highest, and groups of one priority are equal.
    """

    name: str
    weight: float = 1.0
    priority: int = 1
    about: str = ""


@dataclass(frozen=True, slots=True)
class Constitution:
    """What a model should be."""

    name: str
    principles: tuple[Principle, ...]
    groups: Mapping[str, Group] = field(default_factory=dict)
    about: str = ""
    path: Path | None = None

    @classmethod
    def empty(cls) -> Constitution:
        """The constitution of a spec that names none."""
        return cls(name="empty", principles=())

    def __iter__(self) -> Iterator[Principle]:
        return iter(self.principles)

    def __len__(self) -> int:
        return len(self.principles)

    def __getitem__(self, id: str) -> Principle:
        """The principle of that id.

        Raises:
            KeyError: if there is none.
        """
        for principle in self.principles:
            if principle.id == id:
                return principle
        raise KeyError(id)

    def select(self, groups: Iterable[str] | None = None, ids: Iterable[str] | None = None) -> Sequence[Principle]:
        """The principles of those groups and with those ids, in the order of the file; None stands for all.

        Raises:
            KeyError: for a group or an id that the constitution has not.
        """
        wanted_groups = None if groups is None else list(groups)
        wanted_ids = None if ids is None else list(ids)
        _known(wanted_groups, self.groups)
        _known(wanted_ids, {p.id for p in self.principles})
        return tuple(
            p
            for p in self.principles
            if (wanted_groups is None or p.group in wanted_groups) and (wanted_ids is None or p.id in wanted_ids)
        )

    def by_priority(self) -> Sequence[Group]:
        """The groups, the one that wins first; equals in the order of the file."""
        return sorted(self.groups.values(), key=lambda group: group.priority)


def _known(wanted: list[str] | None, have: Iterable[str]) -> None:
    known = set(have)
    for name in wanted or ():
        if name not in known:
            raise KeyError(name)
