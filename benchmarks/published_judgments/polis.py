"""A Polis export (Huang et al. 2024, arXiv 2406.07814): cleaning, the two main axes, and group-aware consensus.

On its own here, so that it can give way to calls into a module that builds constitutions from such exports.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from constitutional.api import DataError
from constitutional.builtin.math.statistics import Floats

from .lines import SEED, Line, Study, plain
from .reading import count, number, rows

STUDY = "Polis export"
FIXED = ("participant", "xid", "group-id", "n-comments", "n-votes", "n-agree", "n-disagree")
MOST_THROWN_OUT, THRESHOLD = 25, 0.723
#: People and statements of the published export; an export of another size is another study.
SIZES = (1126, 1418)
PUBLISHED = {"people": 1002, "statements": 275, "first": 0.0729, "second": 0.0420, "as written": 96, "sorted": 89}
#: Labels that agree with a fresh clustering better than this (adjusted Rand index) stand beside the right people.
BELONGS = 0.5


class Votes(NamedTuple):
    """Votes 1, 0, -1 or NaN, [people, statements], with each person's number and group ("" where unknown)."""

    people: NDArray[np.int64]
    groups: list[str]
    cast: NDArray[np.int64]
    statements: list[str]
    votes: Floats


def study(folder: Path) -> Study:
    everyone, tossed = read_votes(folder / "participants-votes.csv"), read_ids(folder / "ids-to-toss.csv")
    moderated = {str(row["comment-id"]) for row in rows(folder / "comments.csv", ("comment-id", "moderated"))
                 if str(row["moderated"]).strip() == "1"}  # fmt: skip
    kept, published = clean(everyone, tossed, moderated), read_votes(folder / "clean_votes.csv")
    theirs = PUBLISHED if everyone.votes.shape == SIZES else {}
    axes, places = axes_of(kept.votes)
    people, statements = kept.votes.shape
    lines = [
        _line("people after cleaning", people, len(everyone.people), theirs.get("people"), 0.0),
        _line("statements moderated in", statements, len(everyone.statements), theirs.get("statements"), 0.0),
        Line(STUDY, "votes equal to the published matrix", plain(_same(kept, published), kept.votes.size), 1.0, 0.0),
        _line("variance on the first axis", axes[0], people, theirs.get("first"), 5e-5),
        _line("variance on the second axis", axes[1], people, theirs.get("second"), 5e-5),
    ]
    thrown = int(np.isin(everyone.people, list(tossed)).sum())
    told = [f"{thrown} people are thrown out by hand; the file has no header: its first line is a person"]
    if sorted(published.people) == sorted(kept.people):
        fresh = clustered(places)
        found = {how: rand_index(fresh, groups) for how, groups in columns(published, kept).items()}
        lines += [
            _line(f"fresh clusters and the group column {how}: adjusted Rand index", value, people)
            for how, value in found.items()
        ]
        lines += [_passing(how, kept, groups, theirs) for how, groups in columns(published, kept).items()]
        if found["as written"] < BELONGS <= found["sorted"]:
            told.append("the group column is out of step: labels of people sorted by number stand in unsorted rows")
    return Study(STUDY, lines, told)


def _line(what: str, value: float, n: int, published: float | None = None, within: float | None = None) -> Line:
    return Line(STUDY, what, plain(value, n), published, within, percent=False)


def clean(votes: Votes, tossed: set[int], moderated: set[str]) -> Votes:
    """Without those tossed or with at most 25 votes, and with the statements that moderators let in."""
    people = ~np.isin(votes.people, list(tossed)) & (votes.cast > MOST_THROWN_OUT)
    columns = [i for i, name in enumerate(votes.statements) if name in moderated]
    groups = [name for name, keep in zip(votes.groups, people, strict=True) if keep]
    statements = [votes.statements[i] for i in columns]
    return Votes(votes.people[people], groups, votes.cast[people], statements, votes.votes[people][:, columns])


def axes_of(votes: Floats) -> tuple[Floats, Floats]:
    """Share of the variance on each principal axis, largest first, and each person's place on the first two.

    As published: statements are the samples, so that each person's votes are centred and a place is the person's weight
    in the components; a vote not cast counts as a pass.
    """
    filled = np.nan_to_num(votes, nan=0.0)
    places, singular, _ = np.linalg.svd(filled - filled.mean(axis=1, keepdims=True), full_matrices=False)
    return singular**2 / (singular**2).sum(), places[:, :2]


def clustered(places: Floats) -> list[str]:
    """Two groups by k-means."""
    from scipy.cluster.vq import kmeans2

    _, labels = kmeans2(places, 2, minit="++", rng=np.random.default_rng(SEED), iter=100)
    return [str(label) for label in labels]


def rand_index(one: Sequence[str], other: Sequence[str]) -> float:
    """How far two groupings agree, adjusted for chance: 1 where they are the same (Hubert and Arabie 1985)."""

    def pairs(counts: Iterable[int]) -> float:
        return sum(n * (n - 1) / 2 for n in counts)

    both, every = pairs(Counter(zip(one, other, strict=True)).values()), pairs([len(one)])
    ours, theirs = pairs(Counter(one).values()), pairs(Counter(other).values())
    chance, most = ours * theirs / every, (ours + theirs) / 2
    return (both - chance) / (most - chance) if most > chance else 1.0


def columns(published: Votes, kept: Votes) -> dict[str, list[str]]:
    """The group of each person: as its row says, and as if the labels were those of people sorted by number."""
    rows_of = {int(person): group for person, group in zip(published.people, published.groups, strict=True)}
    by_number = dict(zip(sorted(rows_of), published.groups, strict=True))
    people = [int(person) for person in kept.people]
    return {"as written": [rows_of[person] for person in people], "sorted": [by_number[person] for person in people]}


def consensus(votes: Floats, groups: list[str]) -> Floats:
    """Group-aware consensus of each statement: the product over groups of (agrees + 1) / (votes + 2)."""
    names, product = np.array(groups), np.ones(votes.shape[1])
    for name in sorted(set(groups)):
        group = votes[names == name]
        product *= ((group == 1).sum(axis=0) + 1) / ((~np.isnan(group)).sum(axis=0) + 2)
    return product


def read_ids(path: Path) -> set[int]:
    """Numbers, one a line, without a header: a reader that expects one loses the first person."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return {int(row[0]) for row in csv.reader(file) if row and row[0].strip()}
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: one number a line is needed: {error}") from error


def read_votes(path: Path) -> Votes:
    found = rows(path, FIXED)
    statements = [name for name in found[0] if name not in FIXED]
    said = np.array(
        [[np.nan if (vote := number(row, name, path)) is None else vote for name in statements] for row in found]
    )
    if not np.isin(said[~np.isnan(said)], (-1, 0, 1)).all():
        raise DataError(f"{path}: a vote is 1, 0, -1 or nothing")
    people, cast = (np.array([count(row, name, path) for row in found]) for name in ("participant", "n-votes"))
    return Votes(people, [str(row["group-id"]) for row in found], cast, statements, said)


def _same(kept: Votes, published: Votes) -> float:
    """Share of cells that are equal, people and statements matched by number; 0 where the two differ in either."""
    if sorted(kept.people) != sorted(published.people) or set(kept.statements) != set(published.statements):
        return 0.0
    columns = [published.statements.index(name) for name in kept.statements]
    theirs = published.votes[np.argsort(published.people)][:, columns]
    ours = kept.votes[np.argsort(kept.people)]
    return float(((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).mean())


def _passing(how: str, kept: Votes, groups: list[str], theirs: Mapping[str, float]) -> Line:
    passing = int((consensus(kept.votes, groups) >= THRESHOLD).sum())
    what = f"statements with consensus of at least {THRESHOLD}, groups {how}"
    figure = plain(passing, len(kept.statements))
    return Line(STUDY, what, figure, theirs.get(how), 0.0, percent=False, recount=True)
