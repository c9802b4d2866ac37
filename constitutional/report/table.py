"""The end of a run on the terminal: one table of figures a report, gates, and where models and data sets are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from constitutional.engine.gates import data, models
from constitutional.engine.meter import told
from constitutional.engine.run import Result
from constitutional.events import Spending
from constitutional.plan.step import Plan
from constitutional.text import printable

if TYPE_CHECKING:
    from rich.table import Table


def print_result(plan: Plan, result: Result) -> None:
    """Say how a run ended."""
    for name, figures in result.figures.items():
        by_label = figures.get("models")
        if isinstance(by_label, Mapping):
            # Only a table needs rich, which would take longer to import than the rest to print.
            from rich.console import Console

            Console(highlight=False).print(figures_table(name, by_label))
        else:
            for line in figure_lines(name, figures):
                click.echo(line)
        for said in warnings(figures):
            click.echo(f"warning  {printable(name)}: {printable(said)}")
    _print_paths("models", models(result.folder, plan))
    _print_paths("data", data(result.folder, plan))
    click.echo(f"report  {result.folder.path / 'report.json'}")
    done = (
        f"{result.done} steps done, {result.reused} known"
        if result.done
        else f"nothing to do: all {result.reused} steps are done"
    )
    click.echo(f"{done}, {result.seconds:.1f} s")
    for line in spent_lines(result.spending):
        click.echo(line)


def spent_lines(spending: Spending | None) -> Iterator[str]:
    """What this start has spent, and the whole life of the run where that is more or has a limit."""
    if spending is None or not (spending.life.calls or spending.limits):
        return
    yield f"spent   {told(spending.now)}"
    more = spending.life.calls > spending.now.calls
    if more or spending.limits:
        limits = ", ".join(f"{limit:,g} {name}" for name, limit in spending.limits.items())
        yield f"in all  {told(spending.life)}" + (f"; budget: {limits}" if limits else "")


def warnings(figures: Mapping[str, Any]) -> list[str]:
    """What a stage, or one of its steps, warns of."""
    steps = figures.get("steps")
    of_steps = [said for step in steps for said in warnings(step)] if isinstance(steps, list) else []
    own = figures.get("warning")
    return [*([own] if isinstance(own, str) else []), *of_steps]


def figures_table(title: str, by_label: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row a model, a column a figure: value, interval, n, and what could not be judged."""
    names = list(dict.fromkeys(name for figures in by_label.values() for name in figures))
    from rich.table import Table

    table = Table(title=printable(title), title_justify="left", title_style="bold")
    table.add_column("model")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for label, figures in by_label.items():
        table.add_row(printable(label), *(cell(figures.get(name)) for name in names))
    return table


def figure_lines(name: str, figures: Mapping[str, Any]) -> Iterator[str]:
    """The figures of a stage that compares no models, a line each: `figures  labels  coverage 0.22 [0.13, 0.34] n 60`."""
    after = figures.get("after")
    known = {**figures, "accuracy": after.get("accuracy")} if isinstance(after, Mapping) else figures
    for what, found in known.items():
        if isinstance(found, Mapping) and found.get("value") is not None:
            yield f"figures {printable(name)}  {what.replace('_', ' ')}  {' '.join(cell(found).split())}"


def cell(figure: Any) -> str:
    """`0.042`, below it `[0.02, 0.08]` and `n 180, 3 unscored`; a dash where there is nothing."""
    if not isinstance(figure, Mapping) or figure.get("value") is None:
        why = figure.get("why", "") if isinstance(figure, Mapping) else ""
        return f"- {why}".strip()
    said = f"{figure['value']:.3g}"
    if figure.get("low") is not None:
        said += f"\n[{figure['low']:.3g}, {figure['high']:.3g}]"
    notes = [f"n {figure['n']}"] if "n" in figure else []
    notes += [f"{_total(figure['unscored'])} unscored"] if _total(figure.get("unscored", 0)) else []
    return said + (f"\n{', '.join(notes)}" if notes else "")


def _total(unscored: Any) -> int:
    return sum(unscored.values()) if isinstance(unscored, Mapping) else int(unscored or 0)


def _print_paths(title: str, paths: Mapping[str, str]) -> None:
    wide = max((len(name) for name in paths), default=0)
    for name, path in paths.items():
        click.echo(f"{title:<6}  {name:<{wide}}  {path}")
