"""`constitutional show`: rows of a step, readably."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from constitutional.store.lineage import Table


@click.command()
@click.argument("step")
@root_option
@click.option("--run", "run_name", metavar="NAME", help="Which run (default: the latest).")
@click.option("--row", "row_id", metavar="ID", help="One row, by its id or the beginning of it.")
@click.option("-n", "count", default=5, show_default=True, help="How many rows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(step: str, root: Path, run_name: str | None, row_id: str | None, count: int, as_json: bool) -> int:
    """Print rows of STEP: prompts, answers, critiques, revisions and votes."""
    from constitutional.report.rows import tell
    from constitutional.store.folder import Store
    from constitutional.store.lineage import choose_run, find, rows, tables

    run = choose_run(Store(root), run_name)
    table = table_of(step, tables(run))
    chosen = [found.row for found in find([table], [row_id])] if row_id else list(rows(table, count))
    if row_id and not chosen:
        raise click.UsageError(f"{table.name} has no row {row_id!r}")
    for row in chosen:
        click.echo(json.dumps(row, ensure_ascii=False) if as_json else "\n".join(tell(row)) + "\n")
    return 0


def table_of(name: str, known: list[Table]) -> Table:
    """The table of that name; the name of a `repeat` stands for its last round's result."""
    from constitutional.suggest import nearest

    exact = [table for table in known if name in (table.name, table.step)]
    inside = [table for table in known if table.step.startswith(f"{name}.")]
    if exact or inside:
        return exact[0] if exact else inside[-1]
    guess = nearest(name, [table.name for table in known])
    hint = f"; did you mean {guess!r}?" if guess else f"; steps with rows: {', '.join(table.name for table in known)}"
    raise click.UsageError(f"there are no rows of {name!r}{hint}")
