"""`constitutional preview`: a few rows through all row stages, in seconds, and what came out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import Opened, open_spec, root_option, spec_options

if TYPE_CHECKING:
    from constitutional.plan.preview import Preview


@click.command()
@spec_options
@root_option
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1), help="Rows of each source.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: step and row.")
def preview(spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, count: int, as_json: bool) -> int:
    """Run the first rows of each source through all row stages, and show them; nothing is trained."""
    for one in open_spec(spec, sets, plugins):
        _preview_one(one, root, count, as_json)
    return 0


def _preview_one(one: Opened, root: Path, count: int, as_json: bool) -> None:
    from constitutional.cli.display import display
    from constitutional.engine.run import run
    from constitutional.plan.preview import preview as preview_of
    from constitutional.store.folder import Store

    made = preview_of(one.plan, count)
    store = Store(root)
    try:
        if as_json:
            run(made.plan, one.registry, store, say=lambda said: click.echo(said, err=True))
        else:
            with display(made.plan, not sys.stdout.isatty()) as show:
                run(made.plan, one.registry, store, [show.observe], show.say)
        _tell(made, store, count, as_json)
    finally:
        store.close()


def _tell(made: Preview, store: object, count: int, as_json: bool) -> None:
    from constitutional.report.rows import tell
    from constitutional.store.folder import RunFolder, Store
    from constitutional.store.lineage import rows, tables

    assert isinstance(store, Store)
    for table in tables(RunFolder(store, made.plan.name)):
        if table.step not in made.ends:
            continue
        if not as_json:
            click.secho(f"\n== {table.name}  ({table.stage})", bold=True)
        for row in rows(table, count):
            said = {"step": table.name, "row": row}
            click.echo(json.dumps(said, ensure_ascii=False, default=str) if as_json else "\n".join(tell(row)))
    if not as_json:
        if made.stood_in:
            click.echo(f"\nasked of the model before training: {', '.join(made.stood_in)}")
        if made.left_out:
            click.echo(f"left out: {', '.join(made.left_out)}")
