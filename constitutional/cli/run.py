"""`constitutional run`: do what a spec says."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import Opened, open_spec, prices_option, root_option, spec_options

if TYPE_CHECKING:
    from constitutional.plan.prices import Prices


@click.command()
@spec_options
@root_option
@prices_option
@click.option("--plain", is_flag=True, help="Plain lines instead of the live view.")
@click.option("--redo", "again", multiple=True, metavar="WHAT",
              help="Do again: `failed` rows, `truncated` answers, or a STEP with all its calls; and what follows.")  # fmt: skip
def run(
    spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, prices: Path | None, plain: bool,
    again: Sequence[str],
) -> int:  # fmt: skip
    """Do what a spec says; the same command goes on where the last run stopped."""
    from constitutional.plan.prices import load

    gc.disable()
    opened, known = open_spec(spec, sets, plugins), load(prices)
    return max(_run_one(one, root, known, plain, again) for one in opened)


def _run_one(one: Opened, root: Path, prices: Prices, plain: bool, again: Sequence[str]) -> int:
    from constitutional.cli.display import display
    from constitutional.engine.run import check_gates
    from constitutional.engine.run import run as run_plan
    from constitutional.plan.redo import redo
    from constitutional.store.folder import Store

    _warn(one)
    store = Store(root)
    try:
        with display(one.plan, plain or not sys.stdout.isatty()) as show:
            wanted = redo(one.plan, store.artifacts, again)
            # What is in memory now stays there: the collector need not look at it again and again.
            gc.freeze()
            gc.enable()
            result = run_plan(one.plan, one.registry, store, [show.observe], show.say, wanted, prices)
    finally:
        store.close()
    from constitutional.report.table import print_result

    print_result(one.plan, result)
    check_gates(result)
    return 0


def _warn(one: Opened) -> None:
    from constitutional.spec.render import render

    warnings = [found for found in one.checked.diagnostics if found.severity == "warning"]
    if warnings:
        click.echo(render(warnings, color=sys.stderr.isatty()), err=True)
