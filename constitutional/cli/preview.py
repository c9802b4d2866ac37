"""`constitutional preview`: a few rows through all row stages, in seconds, and what came out."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import Opened, open_spec, prices_option, root_option, spec_options

if TYPE_CHECKING:
    from constitutional.engine.run import Result
    from constitutional.events import Event
    from constitutional.plan.preview import Preview
    from constitutional.plan.prices import Prices
    from constitutional.store.folder import Store


@click.command()
@spec_options
@root_option
@prices_option
@click.option("-n", "count", default=5, show_default=True, type=click.IntRange(1), help="Rows of each source.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: step and row.")
def preview(
    spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, prices: Path | None, count: int, as_json: bool
) -> int:
    """Run a few rows through all row stages, and show them; nothing is trained, and the answers count later."""
    from constitutional.plan.prices import load

    known = load(prices)
    for one in open_spec(spec, sets, plugins):
        _preview_one(one, root, known, count, as_json)
    return 0


def _preview_one(one: Opened, root: Path, prices: Prices, count: int, as_json: bool) -> None:
    from constitutional.cli.display import display
    from constitutional.engine.run import run
    from constitutional.plan.preview import preview as preview_of
    from constitutional.store.folder import Store

    made, troubles = preview_of(one.plan, count), Troubles()
    store = Store(root)
    try:
        if as_json:
            run(made.plan, one.registry, store, say=lambda said: click.echo(said, err=True), prices=prices)
            _tell(made, store, count, as_json)
        else:
            with display(made.plan, not sys.stdout.isatty()) as show:
                result = run(made.plan, one.registry, store, [show.observe, troubles], show.say, prices=prices)
            _tell(made, store, count, as_json)
            _tell_end(made, result, troubles)
    finally:
        store.close()


class Troubles:
    """Counts the rows that ended otherwise than they should, by step and reason."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def __call__(self, event: Event) -> None:
        from constitutional.events import RowFailed

        if isinstance(event, RowFailed):
            self.counts[event.step, event.fate, event.reason] += 1


def _tell(made: Preview, store: Store, count: int, as_json: bool) -> None:
    from constitutional.report.rows import tell
    from constitutional.store.folder import RunFolder
    from constitutional.store.lineage import rows, tables

    for table in tables(RunFolder(store, made.plan.name)):
        if table.step not in made.ends:
            continue
        if not as_json:
            click.secho(f"\n== {table.name}  ({table.stage})", bold=True)
        for row in rows(table, count):
            said = {"step": table.name, "row": row}
            click.echo(json.dumps(said, ensure_ascii=False, default=str) if as_json else "\n".join(tell(row)))


def _tell_end(made: Preview, result: Result, troubles: Troubles) -> None:
    """What stood in, what was left out, what went wrong, and what it took."""
    from constitutional.report.table import spent_lines
    from constitutional.text import one_line

    click.echo()
    if made.stood_in:
        click.echo(f"asked of the model before training: {', '.join(made.stood_in)}")
    if made.left_out:
        click.echo(f"left out: {', '.join(made.left_out)}")
    for (step, fate, reason), rows in troubles.counts.items():
        click.echo(f"{step}: {rows} {fate} ({one_line(reason)})")
    for line in spent_lines(result.spending):
        click.echo(line)
