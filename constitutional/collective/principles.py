"""Principles from the statements that passed, and the file that holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from constitutional.collective.consensus import Consensus
from constitutional.collective.duplicates import near_duplicates
from constitutional.collective.votes import Votes
from constitutional.collective.wording import sentence, worded
from constitutional.constitution.model import Constitution, Group, Principle, Support

#: The group of all principles that come from votes.
PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A statement that becomes a principle: its column, and the columns of those that say the same."""

    column: int
    merged: tuple[int, ...] = ()


def choose(votes: Votes, found: Consensus, threshold: float, likeness: float | None = None,
           most: int | None = None) -> list[Chosen]:  # fmt: skip
    """The statements at or above the threshold, highest consensus first, near-duplicates merged into the highest.

    With `likeness` None nothing is merged.  `most` cuts the list after merging.
    """
    order = [j for j in np.argsort(-found.value, kind="stable").tolist() if found.value[j] >= threshold]
    texts = [votes.statements[j].text for j in order]
    clusters = near_duplicates(texts, likeness) if likeness is not None else []
    merged = {cluster[0]: tuple(order[place] for place in cluster[1:]) for cluster in clusters}
    gone = {place for cluster in clusters for place in cluster[1:]}
    chosen = [Chosen(j, merged.get(place, ())) for place, j in enumerate(order) if place not in gone]
    return chosen[:most]


def group_names(k: int) -> list[str]:
    """`a` is the largest group."""
    return [chr(ord("a") + number) for number in range(k)]


def constitution(name: str, about: str, votes: Votes, found: Consensus, chosen: Sequence[Chosen],
                 said: Mapping[int, str] | None = None) -> Constitution:  # fmt: skip
    """The principles, each with its statement, its consensus and the votes of each group.

    `said` holds a model's wordings by statement; what is not usable is worded by template (see `wording`).
    """
    wordings = worded([votes.statements[one.column] for one in chosen], said)
    principles = tuple(_principle(one, votes, found, wordings[votes.statements[one.column].id]) for one in chosen)
    group = Group(PUBLIC, about="Statements that every opinion group agrees with.")
    return Constitution(name=name, principles=principles, groups={PUBLIC: group}, about=about)


def _principle(one: Chosen, votes: Votes, found: Consensus, wording: tuple[str, str]) -> Principle:
    from constitutional.constitution.principles import worded as complete

    statement, j = votes.statements[one.column], one.column
    same = ", ".join(str(votes.statements[other].id) for other in one.merged)
    about = (
        f"Statement {statement.id}{f', with {same}, which say the same' if same else ''}; group-aware consensus "
        f"{found.value[j]:.3f} ({found.low[j]:.3f} to {found.high[j]:.3f}); comparison worded by {wording[1]}."
    )
    texts = {"rule": sentence(statement.text), "compare": wording[0], "critique": "", "revision": ""}
    made = complete(f"statement-{statement.id}", texts, PUBLIC, 1.0)
    counts = zip(
        group_names(len(found.agrees)), found.agrees[:, j], found.disagrees[:, j], found.seen[:, j], strict=True
    )
    support = {name: Support(int(agrees), int(disagrees), int(seen)) for name, agrees, disagrees, seen in counts}
    return Principle(id=made.id, rule=made.rule, critique=made.critique, revision=made.revision, compare=made.compare,
                     group=PUBLIC, about=about, support=support)  # fmt: skip


def to_yaml(made: Constitution) -> str:
    """The file of a constitution from votes; `critique` and `revision` are left to be worded from the rule."""
    import yaml

    said: dict[str, Any] = {"constitution": 1, "name": made.name}
    said |= {"about": made.about} if made.about else {}
    groups = {group.name: {"about": group.about} for group in made.groups.values() if group.about}
    said |= {"groups": groups} if groups else {}
    head = yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=118)
    principles = "\n".join(_entry(principle) for principle in made.principles)
    return f"{head}principles:\n{principles}"


def _entry(principle: Principle) -> str:
    import yaml

    said = {"id": principle.id, "group": principle.group, "rule": principle.rule, "compare": principle.compare,
            "about": principle.about}  # fmt: skip
    text = yaml.safe_dump([said], sort_keys=False, allow_unicode=True, width=118)
    counts = {
        name: {"agrees": s.agrees, "disagrees": s.disagrees, "votes": s.votes} for name, s in principle.support.items()
    }
    lines = [f"    {name}: {yaml.safe_dump(count, default_flow_style=True, sort_keys=False).strip()}"
             for name, count in counts.items()]  # fmt: skip
    return text + ("  support:\n" + "\n".join(lines) + "\n" if lines else "")


def write(made: Constitution, path: Path) -> None:
    """Write the file, and read it back as every command would, so that what is there is a constitution.

    Raises:
        SpecError: if it could not be read back; the file is not replaced then.
    """
    from constitutional.constitution.read import read_constitution

    aside = path.with_name(f".{path.name}.writing")
    try:
        aside.write_text(to_yaml(made), encoding="utf-8")
        read_constitution(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def slug(text: str) -> str:
    """A name that a constitution may have."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "collective"
