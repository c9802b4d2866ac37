"""`constitutional principles`: what each principle did in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from constitutional.cli.opening import root_option

_FIGURES = ("violations", "changed", "won", "agrees", "decisive")
_MEANING = """\
violations  of its critiques, those that found something       won       of its judgments, those on the side of the label
changed     of its revisions, those with another text          agrees    with the other principles of the same pair
decisive    of its pairs, those whose side is another without it"""


@click.command()
@click.argument("run", required=False, metavar="[RUN]")
@root_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def principles(run: str | None, root: Path, as_json: bool) -> int:
    """Say what each principle did in RUN (default: the latest): how often it was drawn, found, changed, won and agreed."""
    from constitutional.errors import UserError
    from constitutional.report.principles import as_json as plain
    from constitutional.report.principles import deeds
    from constitutional.store.folder import Store
    from constitutional.store.lineage import choose_run

    folder = choose_run(Store(root), run)
    found = plain(deeds(folder).values())
    if not found:
        raise UserError(f"no step of run `{folder.name}` saw a principle", help="name another run")
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        return 0
    _tell(found)
    return 0


def _tell(found: Mapping[str, Any]) -> None:
    from constitutional.text import printable

    table: list[tuple[str, ...]] = [("principle", "drawn", *_FIGURES, "unjudged")]
    table += [_row(printable(id), said) for id, said in found.items()]
    wide = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for id, *cells in table:
        click.echo(
            f"{id:<{wide[0]}}  " + "  ".join(f"{text:>{width}}" for text, width in zip(cells, wide[1:], strict=True))
        )
    click.echo(f"\n{_MEANING}")


def _row(id: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    return id, str(said["drawn"]), *(_cell(said[name]) for name in _FIGURES), str(said["unjudged"])


def _cell(figure: Mapping[str, Any]) -> str:
    if figure["value"] is None:
        return "-"
    return f"{figure['value']:.2f} [{figure['low']:.2f}, {figure['high']:.2f}] n {figure['n']}"
