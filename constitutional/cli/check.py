"""`constitutional check`: every mistake in a spec, without running it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from constitutional.cli.opening import new_registry, spec_options

FORMATS = ("text", "json", "github", "short")


@click.command()
@spec_options
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How to print what is found.")
def check(spec: Path, sets: Sequence[str], plugins: Sequence[str], form: str) -> int:
    """Find every mistake that can be known before the first model call."""
    from constitutional.errors import SpecError
    from constitutional.spec.check import checked, load_cells
    from constitutional.spec.render import render

    try:
        cells = [checked(cell, new_registry(plugins)) for cell in load_cells(spec, sets)]
    except SpecError as error:
        click.echo(render(error.diagnostics, form=form, color=sys.stdout.isatty()), err=form == "text")
        return 2
    for found in cells:
        if found.diagnostics:
            click.echo(render(found.diagnostics, form=form, color=sys.stdout.isatty()))
    if form == "text":
        click.echo(f"{spec}: no mistakes in {sum(len(found.stages) for found in cells)} stages")
    return 0
