"""The vote matrix of a Polis export, and what is left of it after cleaning.

A vote is 1 (agree), 0 (pass) or -1 (disagree); what nobody was asked, or did not answer, is absent, and never a pass.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from constitutional.errors import DataError
from constitutional.table import Line, as_whole, read_ids, read_table
from constitutional.text import printable

Matrix: TypeAlias = NDArray[np.int8]
Bools: TypeAlias = NDArray[np.bool_]
Moderation: TypeAlias = Literal["strict", "lenient", "all"]

#: What stands in the matrix where there is no vote.
ABSENT: Final = -128
VOTES: Final = "participants-votes.csv"
STATEMENTS: Final = "comments.csv"
TOSSED: Final = "ids-to-toss.csv"
MAX_STATEMENT: Final = 2000
MAX_CELLS: Final = 500_000_000


@dataclass(frozen=True, slots=True)
class Statement:
    """Something that a participant wrote and others voted on; `moderated` is 1 (in), 0 (not looked at) or -1 (out)."""

    id: int
    text: str
    moderated: int = 1


@dataclass(frozen=True, slots=True)
class Votes:
    """Who voted what: `matrix[i, j]` is what `people[i]` said of `statements[j]`."""

    people: tuple[int, ...]
    statements: tuple[Statement, ...]
    matrix: Matrix
    #: The group of each person as the export has it, where it has one.
    groups: tuple[str, ...] = ()

    @property
    def seen(self) -> Bools:
        """Where there is a vote."""
        return np.asarray(self.matrix != ABSENT)

    def only(self, people: Bools | None = None, statements: Bools | None = None) -> Votes:
        """Some people and some statements."""
        rows = np.flatnonzero(people) if people is not None else np.arange(len(self.people))
        columns = np.flatnonzero(statements) if statements is not None else np.arange(len(self.statements))
        return replace(
            self,
            people=tuple(self.people[i] for i in rows),
            statements=tuple(self.statements[j] for j in columns),
            matrix=self.matrix[np.ix_(rows, columns)],
            groups=tuple(self.groups[i] for i in rows) if self.groups else (),
        )


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What was taken out, and what is left; every number is counted, none is assumed."""

    people: int
    statements: int
    votes: int
    tossed: int
    too_few_votes: int
    moderated_out: int
    people_left: int
    statements_left: int
    votes_left: int
    #: Ids to toss that nobody has.
    unknown: tuple[int, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "unknown"} | {
            "unknown_ids": list(self.unknown)
        }


def read_export(folder: Path) -> Votes:
    """The matrix and the statements of a Polis export: `participants-votes.csv` and `comments.csv`.

    Raises:
        DataError: with file and line for the first row that cannot be right.
    """
    statements = _statements(folder / STATEMENTS)
    people: dict[int, Line] = {}
    rows: list[Matrix] = []
    groups: list[str] = []
    columns: dict[int, str] = {}
    for line in read_table(folder / VOTES, ["participant"]):
        columns = columns or _columns(line, statements)
        id = line.whole("participant", 0)
        if id in people:
            raise DataError(f"{line.place}: participant {id} is on line {people[id].number} already")
        if (len(rows) + 1) * len(columns) > MAX_CELLS:
            raise DataError(f"{line.place}: more than {MAX_CELLS:,} votes are possible; that is too large")
        people[id] = line
        rows.append(np.array([_vote(line, column) for column in columns.values()], dtype=np.int8))
        people[id] = Line(line.path, line.number, {})
        groups.append(line.cells.get("group-id", "").strip())
    if not rows:
        raise DataError(f"{folder / VOTES} has no participants")
    chosen = tuple(statements[id] for id in columns)
    return Votes(tuple(people), chosen, np.stack(rows), tuple(groups) if any(groups) else ())


def _statements(path: Path) -> dict[int, Statement]:
    found: dict[int, Statement] = {}
    for line in read_table(path, ["comment-id", "comment-body", "moderated"]):
        id, text = line.whole("comment-id", 0), cleaned(line["comment-body"])
        if id in found:
            raise DataError(f"{line.place}: statement {id} twice")
        if len(text) > MAX_STATEMENT:
            raise DataError(f"{line.place}: statement {id} has more than {MAX_STATEMENT:,} characters")
        moderated = line.whole("moderated")
        if moderated not in (-1, 0, 1):
            raise DataError(f"{line.place}: `moderated` must be -1, 0 or 1, not {moderated}")
        found[id] = Statement(id, text, moderated)
    if not found:
        raise DataError(f"{path} has no statements")
    return found


def cleaned(text: str) -> str:
    """A stranger's sentence on one line, in NFC, with invisible characters shown, and nothing that a spec would read."""
    return " ".join(printable(unicodedata.normalize("NFC", text)).split()).replace("${", "$ {")


def _columns(line: Line, statements: Mapping[int, Statement]) -> dict[int, str]:
    """The columns of votes, by statement: those whose name is a number."""
    found = {id: name for name in line.cells if (id := as_whole(name)) is not None and name.isdigit()}
    if not found:
        raise DataError(f"{line.path}:1: no column has the number of a statement as its name")
    for id, name in found.items():
        if id not in statements:
            raise DataError(f"{line.path}:1: column `{name}` is no statement of {STATEMENTS}",
                            help="both files must come from the same export")  # fmt: skip
    return found


#: Every way in which exports write a vote.
_WRITTEN: Final[dict[str, int]] = {
    "": ABSENT, "1": 1, "1.0": 1, "0": 0, "0.0": 0, "-0.0": 0, "-1": -1, "-1.0": -1,
}  # fmt: skip


def _vote(line: Line, column: str) -> int:
    said = _WRITTEN.get(line[column].strip())
    if said is None:
        raise DataError(f"{line.place}: the vote on statement {column} must be 1, 0, -1 or empty, not "
                        f"{line[column]!r:.40}")  # fmt: skip
    return said


def clean(votes: Votes, toss: Sequence[int] = (), min_votes: int = 7,
          moderation: Moderation = "strict") -> tuple[Votes, Cleaning]:  # fmt: skip
    """Leave out people thrown out by hand, people with fewer than `min_votes` votes, and statements moderated out.

    Votes are counted over all statements, those moderated out among them: a person who voted is a person who took part
    (so in the data of Huang et al. 2024).  `strict` keeps what was moderated in, `lenient` what was not moderated out.

    Raises:
        DataError: if nobody or nothing is left.
    """
    tossed = np.isin(np.array(votes.people), np.array(sorted(toss), dtype=np.int64))
    few = ~tossed & (votes.seen.sum(axis=1) < min_votes)
    least = {"strict": 1, "lenient": 0, "all": -1}[moderation]
    inside = np.array([statement.moderated >= least and bool(statement.text) for statement in votes.statements])
    kept = votes.only(~(tossed | few), inside)
    if not kept.people:
        raise DataError(f"of {len(votes.people):,} people nobody is left",
                        help=f"{int(tossed.sum())} are thrown out, {int(few.sum())} cast fewer than {min_votes} votes")  # fmt: skip
    if not kept.statements:
        raise DataError("not one statement was moderated in", help="--moderation lenient keeps what nobody looked at")
    known = set(votes.people)
    return kept, Cleaning(
        people=len(votes.people), statements=len(votes.statements), votes=int(votes.seen.sum()),
        tossed=int(tossed.sum()), too_few_votes=int(few.sum()), moderated_out=int((~inside).sum()),
        people_left=len(kept.people), statements_left=len(kept.statements), votes_left=int(kept.seen.sum()),
        unknown=tuple(sorted(set(toss) - known)),
    )  # fmt: skip


def read_tossed(folder: Path, path: Path | None = None) -> dict[int, int]:
    """Ids thrown out by hand: of `path`, else of `ids-to-toss.csv` in the folder, else none."""
    if path is None and not (folder / TOSSED).exists():
        return {}
    return read_ids(path or folder / TOSSED)


def read_groups(path: Path) -> dict[int, str]:
    """The group of each participant in a file with `participant` and `group-id`; those without one are left out."""
    found: dict[int, str] = {}
    for line in read_table(path, ["participant", "group-id"]):
        id = line.whole("participant", 0)
        if id in found:
            raise DataError(f"{line.place}: participant {id} twice")
        if line["group-id"].strip():
            found[id] = cleaned(line["group-id"])
    return found
