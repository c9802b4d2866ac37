"""`constitutional check`: every mistake in a spec, without running it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from constitutional.cli.opening import checked_cells, spec_options

Format = Literal["full", "json", "github", "short"]
FORMATS: tuple[Format, ...] = ("full", "json", "github", "short")


@click.command()
@spec_options
@click.option("--format", "form", type=click.Choice(FORMATS), default="full", help="How to print what is found.")
@click.option("--show", "canonical", is_flag=True, help="Print the spec as it is understood.")
def check(spec: Path, sets: Sequence[str], plugins: Sequence[str], form: Format, canonical: bool) -> int:
    """Find every mistake that can be known before the first model call."""
    from constitutional.errors import SpecError
    from constitutional.spec.render import render

    try:
        cells = [found for found, _ in checked_cells(spec, sets, plugins)]
    except SpecError as error:
        click.echo(render(error.diagnostics, form, color=sys.stdout.isatty()), err=form == "full")
        return 2
    for found in cells:
        if found.diagnostics:
            click.echo(render(found.diagnostics, form, color=sys.stdout.isatty()))
    if canonical:
        from constitutional.spec.show import show

        click.echo("---\n".join(show(found.spec) for found in cells), nl=False)
    elif form == "full":
        click.echo(f"{spec}: no mistakes in {sum(len(found.stages) for found in cells)} stages")
    return 0
