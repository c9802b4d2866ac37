"""A Polis export (Huang et al. 2024, arXiv 2406.07814): cleaning, the two main axes, and group-aware consensus.

On its own here, so that it can give way to calls into a module that builds constitutions from such exports.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from constitutional.api import DataError
from constitutional.builtin.math.statistics import Floats

from .lines import Line, Study, plain
from .reading import number, rows

STUDY = "Polis export"
FIXED = ("participant", "xid", "group-id", "n-comments", "n-votes", "n-agree", "n-disagree")
MOST_THROWN_OUT, THRESHOLD = 25, 0.723
PUBLISHED = {"people": 1002, "statements": 275, "first": 0.0729, "second": 0.0420, "as written": 96, "shifted": 89}


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
    kept = clean(everyone, tossed, moderated)
    published = read_votes(folder / "clean_votes.csv")
    order = {int(person): at for at, person in enumerate(published.people)}
    same = _same(kept, published)
    axes = explained(kept.votes)
    lines = [
        Line(
            STUDY, "people after cleaning", plain(len(kept.people), len(everyone.people)), PUBLISHED["people"], 0, False
        ),
        Line(
            STUDY,
            "statements moderated in",
            plain(len(kept.statements), len(everyone.statements)),
            PUBLISHED["statements"],
            0,
            False,
        ),
        Line(STUDY, "votes equal to the published matrix", plain(same, kept.votes.size, "cells"), 1.0, 0.0),
        Line(STUDY, "variance on the first axis", plain(axes[0], len(kept.people)), PUBLISHED["first"], 5e-5, False),
        Line(STUDY, "variance on the second axis", plain(axes[1], len(kept.people)), PUBLISHED["second"], 5e-5, False),
    ]
    if set(order) == {int(person) for person in kept.people}:
        written = [published.groups[order[int(person)]] for person in kept.people]
        lines += [_passing("as written", kept, written), _passing("shifted", kept, shifted(published, kept))]
    thrown = int(np.isin(everyone.people, list(tossed)).sum())
    told = [f"{thrown} people are thrown out by hand (ids-to-toss.csv has no header: its first line is a person)",
            "the group column as published is out of step with its rows: labels of sorted people stand in unsorted rows"]  # fmt: skip
    return Study(STUDY, lines, told)


def clean(votes: Votes, tossed: set[int], moderated: set[str]) -> Votes:
    """Without those tossed or with at most 25 votes, and with the statements that moderators let in."""
    people = ~np.isin(votes.people, list(tossed)) & (votes.cast > MOST_THROWN_OUT)
    columns = [i for i, name in enumerate(votes.statements) if name in moderated]
    groups = [name for name, keep in zip(votes.groups, people, strict=True) if keep]
    statements = [votes.statements[i] for i in columns]
    return Votes(votes.people[people], groups, votes.cast[people], statements, votes.votes[people][:, columns])


def explained(votes: Floats) -> Floats:
    """Share of the variance on each principal axis, largest first, as published.

    Statements are the samples there, so that each person's votes are centred, and a vote not cast counts as a pass.
    """
    filled = np.nan_to_num(votes, nan=0.0)
    singular = np.linalg.svd(filled - filled.mean(axis=1, keepdims=True), compute_uv=False)
    shares: Floats = singular**2 / (singular**2).sum()
    return shares


def shifted(published: Votes, kept: Votes) -> list[str]:
    """The group of each person where the column holds the labels of people sorted by number, row by row."""
    by_number = dict(zip(sorted(int(person) for person in published.people), published.groups, strict=True))
    return [by_number[int(person)] for person in kept.people]


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
    people, cast = (
        np.array([int(number(row, name, path) or 0) for row in found]) for name in ("participant", "n-votes")
    )
    return Votes(people, [str(row["group-id"]) for row in found], cast, statements, said)


def _same(kept: Votes, published: Votes) -> float:
    """Share of cells that are equal, people and statements matched by number; 0 where the two differ in either."""
    if sorted(kept.people) != sorted(published.people) or set(kept.statements) != set(published.statements):
        return 0.0
    columns = [published.statements.index(name) for name in kept.statements]
    theirs = published.votes[np.argsort(published.people)][:, columns]
    ours = kept.votes[np.argsort(kept.people)]
    return float(((ours == theirs) | (np.isnan(ours) & np.isnan(theirs))).mean())


def _passing(name: str, kept: Votes, groups: list[str]) -> Line:
    passing = int((consensus(kept.votes, groups) >= THRESHOLD).sum())
    return Line(STUDY, f"statements with consensus of at least {THRESHOLD}, groups {name}", plain(passing, len(kept.statements)),
                PUBLISHED[name], 0, False, "the paper has 95 ideas" if name == "as written" else "")  # fmt: skip
