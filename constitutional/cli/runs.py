"""`constitutional runs`: the runs in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from constitutional.cli.opening import root_option


@click.command()
@root_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def runs(root: Path, as_json: bool) -> int:
    """List the runs in a folder, with how each ended."""
    from constitutional.store.folder import RunFolder, Store, run_names

    store = Store(root)
    found = {name: RunFolder(store, name).manifest() for name in run_names(root)}
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return 0
    if not found:
        click.echo(f"no runs in {root}")
    wide = max((len(name) for name in found), default=0)
    for name, manifest in found.items():
        click.echo(f"{name:<{wide}}  {manifest['status']:<12}  {len(manifest['steps'])} steps  {manifest['spec']}")
    return 0
