"""`constitutional trace`: where one row came from."""

from __future__ import annotations

from pathlib import Path

import click

from constitutional.cli.opening import root_option


@click.command()
@click.argument("row")
@root_option
@click.option("--run", "run_name", metavar="NAME", help="Which run (default: the latest).")
def trace(row: str, root: Path, run_name: str | None) -> int:
    """Print the lineage of ROW (an id, or the beginning of one), back to its prompt and principle."""
    from constitutional.report.rows import tell
    from constitutional.store.folder import Store
    from constitutional.store.lineage import ancestors, choose_run, find, tables

    run = choose_run(Store(root), run_name)
    known = tables(run)
    found = find(known, [row])
    if not found:
        raise click.UsageError(
            f"no row of {run.name!r} has an id that begins with {row!r}; `constitutional show STEP` prints ids"
        )
    if len(found) > 1:
        raise click.UsageError(f"{len(found)} rows begin with {row!r}: {', '.join(f.row['row_id'] for f in found[:5])}")
    for depth, one in enumerate(ancestors(known, found[0])):
        arrow = "" if depth == 0 else "from "
        click.echo(f"{arrow}{one.table.name}  ({one.table.stage})")
        click.echo("\n".join(tell(one.row)) + "\n")
    return 0
