"""Principles and the constitution that holds them: plain, frozen, and small enough to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from constitutional.diagnostic import Source, Span
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


class Lot(NamedTuple):
    """What else than its weight decides when a principle is drawn: see `constitutional.constitution.draw`."""

    mode: Literal["group", "priority"]
    group_weight: float
    priority: int


#: How principles are drawn: by weight alone, group by group, or in order of priority.
DrawMode: TypeAlias = Literal["weight", "group", "priority"]


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
    #: Whether no file that includes the principle's own may override it.
    core: bool = False
    #: None where the weight alone decides.
    lot: Lot | None = None

    def to_json(self) -> dict[str, Json]:
        """What a prompt can see, under the names that templates use."""
        return {"id": self.id, "group": self.group, "rule": self.rule, "critique": self.critique,
                "revision": self.revision, "compare": self.compare}  # fmt: skip

    def digest(self) -> str:
        """Covers what a prompt can see, and the lot; neither weight, examples nor provenance, which change no prompt."""
        return digest(self.to_json() | ({"lot": list(self.lot)} if self.lot is not None else {}))


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
    #: Where each principle writes its keys, by id; what a file left out has no place.
    places: Mapping[str, Mapping[str, Span]] = field(default_factory=dict, compare=False, repr=False)
    #: Lint rules that authors switched off, each with the reason: by principle id, and by "" for the whole file.
    ignored: Mapping[str, Mapping[str, str]] = field(default_factory=dict, compare=False)
    #: The file itself.
    top: Span | None = field(default=None, compare=False, repr=False)

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

    def written(self, id: str, key: str) -> bool:
        """Whether a principle writes this text itself; a constitution that was not read from a file writes all."""
        return not self.places or key in self.places.get(id, {})

    def at(self, id: str = "", key: str = "id") -> Span:
        """Where a principle writes a key; else where it begins; else the file as a whole."""
        places = self.places.get(id, {})
        found = places.get(key) or places.get("id") or self.top
        return found or Source(str(self.path or self.name), "", Path()).span()

    def select(
        self, groups: Iterable[str] | None = None, ids: Iterable[str] | None = None, draw: DrawMode = "weight"
    ) -> Sequence[Principle]:
        """The principles of those groups and with those ids, in the order of the file; None stands for all.

        `draw` is how they are to be drawn: only what that needs goes with them, so that a priority that nobody asks
        for changes nothing.

        Raises:
            KeyError: for a group or an id that the constitution has not.
        """
        wanted_groups = None if groups is None else list(groups)
        wanted_ids = None if ids is None else list(ids)
        _known(wanted_groups, self.groups)
        _known(wanted_ids, {p.id for p in self.principles})
        return tuple(
            self._to_be_drawn(p, draw)
            for p in self.principles
            if (wanted_groups is None or p.group in wanted_groups) and (wanted_ids is None or p.id in wanted_ids)
        )

    def _to_be_drawn(self, principle: Principle, draw: DrawMode) -> Principle:
        group = self.groups.get(principle.group) or Group(principle.group)
        if draw == "group":
            return replace(principle, lot=Lot("group", group.weight, 1))
        return replace(principle, lot=Lot("priority", 1.0, group.priority)) if draw == "priority" else principle

    def priority(self, principle: Principle) -> int:
        """The priority of the principle's group: 1 is the highest."""
        group = self.groups.get(principle.group)
        return 1 if group is None else group.priority

    def by_priority(self) -> Sequence[Group]:
        """The groups, the one that wins first; equals in the order of the file."""
        return sorted(self.groups.values(), key=lambda group: group.priority)


def _known(wanted: list[str] | None, have: Iterable[str]) -> None:
    known = set(have)
    for name in wanted or ():
        if name not in known:
            raise KeyError(name)
