"""What all sources share: columns that are called something else, and a limit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import Field

from constitutional.api import DataError, SourceParams, SpecPath

MOST_CELL = 10 * 1024 * 1024


class Columns(SourceParams):
    """Parameters that every source has."""

    columns: dict[str, str] = Field(default_factory=dict)
    """What this data set calls our columns: `{prompt: question, completion: answer}`."""

    limit: int | None = Field(default=None, ge=0)
    """Read this many rows at most; all where it is left out."""


class FileParams(Columns):
    """Parameters of a source that reads one file."""

    path: SpecPath
    """The file, relative to the spec."""


def shaped(rows: Iterable[Mapping[str, Any]], params: Columns) -> Iterator[Mapping[str, Any]]:
    """Rename and limit.

    Raises:
        DataError: if a column that `columns` names is not there.
    """
    theirs = {old: new for new, old in params.columns.items()}
    for number, row in enumerate(islice(rows, params.limit), start=1):
        for old in theirs:
            if old not in row:
                raise DataError(f"row {number} has no column `{old}` (its columns: {', '.join(map(str, row))})",
                                help="mend `columns:` in the spec")  # fmt: skip
        yield {theirs.get(name, name): value for name, value in row.items()}


def identity_of(params: Columns) -> dict[str, Any]:
    return {"columns": dict(params.columns), "limit": params.limit}
