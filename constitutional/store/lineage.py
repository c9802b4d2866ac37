"""Lineage: from a row to its parents, step by step, back to the prompt it began as.

Rows keep the ids of their parents, so lineage is read from the finished steps; nothing is stored twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.errors import UserError
from constitutional.store.artifacts import ROWS
from constitutional.store.folder import RunFolder, Store, run_names


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one output of a finished step."""

    step: str
    output: str
    stage: str
    flow: str
    path: Path

    @property
    def name(self) -> str:
        return f"{self.step}.{self.output}" if self.output else self.step


@dataclass(frozen=True, slots=True)
class Found:
    """One row, and the table that it is in."""

    table: Table
    row: Mapping[str, Any]


def choose_run(store: Store, name: str | None) -> RunFolder:
    """The run of that name, or the one that ran last.

    Raises:
        UserError: if there is none.
    """
    names = run_names(store.root)
    if name is not None and name not in names:
        raise UserError(f"there is no run `{name}` in {store.root}", help=f"runs: {', '.join(names) or 'none yet'}")
    if not names:
        raise UserError(f"there are no runs in {store.root}", help="run a spec first, or name the folder with --root")
    latest = max(names, key=lambda n: (store.root / n / "manifest.json").stat().st_mtime)
    return RunFolder(store, name or latest)


def tables(run: RunFolder) -> list[Table]:
    """All rows of all finished steps of a run, in the order of its steps."""
    found = []
    for step, said in run.manifest().get("steps", {}).items():
        for output, flow in said["outputs"].items():
            path = run.store.artifacts.path(said["fingerprint"], output) / ROWS
            if path.is_file():
                found.append(Table(step, output, said["stage"], flow, path))
    return found


def rows(table: Table, limit: int | None = None) -> Iterator[Mapping[str, Any]]:
    """Rows of a table as they are at rest."""
    import pyarrow.parquet as pq

    left = limit
    with pq.ParquetFile(table.path) as file:
        for batch in file.iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                if left is not None and left <= 0:
                    return
                left = None if left is None else left - 1
                yield row


def find(run_tables: Sequence[Table], ids: Sequence[str]) -> list[Found]:
    """The rows whose ids begin with one of `ids`, each in the first table that has it: the step that made it."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: dict[str, Found] = {}
    for table in run_tables:
        column = pq.read_table(table.path, columns=["row_id"]).column(0)
        for wanted in ids:
            places = pc.indices_nonzero(pc.starts_with(column, wanted)).to_pylist()
            missing = [place for place in places if column[place].as_py() not in found]
            if missing:
                for row in pq.read_table(table.path).take(missing).to_pylist():
                    found.setdefault(row["row_id"], Found(table, row))
    return list(found.values())


def ancestors(run_tables: Sequence[Table], start: Found) -> list[Found]:
    """The row and all that it came from, the row first and its prompt last."""
    chain, wanted, seen = [start], list(start.row["parents"] or ()), {start.row["row_id"]}
    while wanted:
        parents = [f for f in find(run_tables, wanted) if f.row["row_id"] not in seen]
        seen |= {parent.row["row_id"] for parent in parents}
        chain += parents
        wanted = [id for parent in parents for id in parent.row["parents"] or () if id not in seen]
    return chain
