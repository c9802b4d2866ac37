"""`constitutional schema`: the JSON Schema of specs, for editors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

WHERE = Path(".constitutional/schema.json")


@click.command()
@click.option("-p", "plugins", multiple=True, metavar="PLUGIN", help="Include a plugin's stages.")
@click.option("--write", is_flag=True, help=f"Write {WHERE} and print the line that editors want.")
def schema(plugins: Sequence[str], write: bool) -> int:
    """Print the JSON Schema of specs, made from everything that is installed and named."""
    from constitutional.cli.opening import new_registry
    from constitutional.spec.schema import schema as make

    text = json.dumps(make(new_registry(plugins)), indent=1, ensure_ascii=False)
    if not write:
        click.echo(text)
        return 0
    WHERE.parent.mkdir(exist_ok=True)
    WHERE.write_text(text + "\n", encoding="utf-8")
    click.echo(f"# yaml-language-server: $schema={WHERE}")
    return 0
