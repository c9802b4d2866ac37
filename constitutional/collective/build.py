"""From the folder of an export to a constitution: the whole way, with every figure kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from constitutional.collective import alignment, principles
from constitutional.collective.alignment import Alignment
from constitutional.collective.consensus import Consensus, consensus, default_threshold
from constitutional.collective.opinion import (
    CHOICES,
    Grouping,
    Labels,
    Map,
    Missing,
    Samples,
    by_size,
    groups,
    opinion_map,
)
from constitutional.collective.principles import Chosen
from constitutional.collective.votes import Cleaning, Moderation, Votes, clean, read_export, read_groups, read_tossed
from constitutional.collective.wording import usable
from constitutional.constitution.model import Constitution
from constitutional.errors import DataError

Source: TypeAlias = Literal["fresh", "column", "realigned"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How to go from votes to principles."""

    #: People with fewer votes are left out.
    min_votes: int = 7
    #: `strict`: statements that were moderated in; `lenient`: those not moderated out.
    moderation: Moderation = "strict"
    #: What stands in for an absent vote on the map, and whether people or statements are its samples (`opinion_map`).
    missing: Missing = "mean"
    samples: Samples = "people"
    #: Whose groups count: new ones from the votes, the column's, or the column's in the order that fits the votes.
    groups: Source = "fresh"
    #: How many fresh groups; by silhouette where left out.
    k: int | None = None
    #: Least group-aware consensus; 0.85 to the power of the number of groups where left out.
    threshold: float | None = None
    #: Cosine from which two statements are near-duplicates, which are merged; None merges nothing.
    likeness: float | None = 0.7
    #: Principles, at most.
    most: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Built:
    """Everything on the way to the constitution, and the constitution."""

    constitution: Constitution
    votes: Votes
    cleaning: Cleaning
    map: Map
    fresh: Grouping
    #: The groups that the consensus was taken over.
    labels: Labels
    alignment: Alignment | None
    consensus: Consensus
    chosen: Sequence[Chosen]
    threshold: float
    rules: Rules
    #: How many comparisons a model worded; the others are worded by template.
    by_model: int = 0

    def reworded(self, said: Mapping[int, str]) -> Built:
        """The same with comparisons that a model worded, by statement; what is not usable stays as it was."""
        made = self.constitution
        again = principles.constitution(made.name, made.about, self.votes, self.consensus, self.chosen, said)
        heard = [said.get(self.votes.statements[one.column].id, "") for one in self.chosen]
        return replace(self, constitution=again, by_model=sum(usable(text) is not None for text in heard))


def build(folder: Path, rules: Rules | None = None, *, name: str | None = None, toss: Path | None = None,
          group_file: Path | None = None) -> Built:  # fmt: skip
    """Read an export and make a constitution of what all its opinion groups agree with.

    `toss` names the file with ids of people to leave out (default: `ids-to-toss.csv`, if it is there); `group_file` a
    table with `participant` and `group-id` that takes the place of the export's own group column.

    Raises:
        DataError: with file and line where the export cannot be right, or where nothing is left.
        UserError: if scikit-learn is not installed.
    """
    rules = rules or Rules()
    everything = read_export(folder)
    votes, cleaning = clean(everything, list(read_tossed(folder, toss)), rules.min_votes, rules.moderation)
    place = opinion_map(votes, rules.missing, rules.samples)
    fresh = groups(place.points, rules.seed, CHOICES if rules.k is None else (rules.k,))
    written = _column(votes, read_groups(group_file) if group_file else None)
    found = _compared(votes, written, place, rules.seed)
    labels = _labels(rules.groups, votes, fresh.labels, written, found)
    agreed = consensus(votes, labels, rules.seed)
    threshold = rules.threshold if rules.threshold is not None else default_threshold(len(agreed.agrees))
    chosen = principles.choose(votes, agreed, threshold, rules.likeness, rules.most)
    if not chosen:
        best = f"the highest is {agreed.value.max():.3f}"
        raise DataError(f"no statement reaches a consensus of {threshold:.3f}: {best}", help="lower the threshold")
    name = name or principles.slug(folder.resolve().name)
    made = principles.constitution(name, _about(cleaning, labels, threshold, rules), votes, agreed, chosen)
    return Built(made, votes, cleaning, place, fresh, labels, found, agreed, chosen, threshold, rules)


def _column(votes: Votes, given: Mapping[int, str] | None) -> list[str] | None:
    """The written group of each person, empty where there is none; None where nobody has one."""
    written = [given.get(id, "") for id in votes.people] if given is not None else list(votes.groups)
    return written if len(set(written) - {""}) > 1 else None


def _compared(votes: Votes, written: list[str] | None, place: Map, seed: int) -> Alignment | None:
    """The column beside as many fresh groups as it has itself."""
    if written is None:
        return None
    have = np.array([bool(group) for group in written])
    people = [id for id, there in zip(votes.people, have, strict=True) if there]
    column = _numbered([group for group in written if group])
    fresh = groups(place.points, seed, (int(column.max()) + 1,))
    return alignment.examine(people, column, fresh.labels[have])


def _numbered(names: Sequence[str]) -> Labels:
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _labels(source: Source, votes: Votes, fresh: Labels, written: list[str] | None, found: Alignment | None) -> Labels:
    if source == "fresh":
        return fresh
    if written is None or found is None:
        raise DataError(
            "there is no column of groups to take", help="name a table with --group-file, or --groups fresh"
        )
    if "" in written:
        missing = [id for id, group in zip(votes.people, written, strict=True) if not group]
        raise DataError(f"{len(missing):,} people have no group, such as participant {missing[0]}",
                        help="--groups fresh groups everybody")  # fmt: skip
    labels = _numbered(written)
    if source == "realigned" and found.best:
        labels = alignment.realigned(votes.people, labels, found.best)
    return by_size(labels)


def _about(cleaning: Cleaning, labels: Labels, threshold: float, rules: Rules) -> str:
    sizes = " and ".join(f"{size:,}" for size in np.bincount(labels).tolist())
    return (
        f"What {cleaning.people_left:,} people agree on: statements with a group-aware consensus of at least "
        f"{threshold:.4g} over opinion groups of {sizes} ({rules.groups}), out of {cleaning.statements_left:,} that "
        f"{cleaning.votes_left:,} votes were cast on."
    )
