"""`constitutional diff`: what changed in a constitution, and what of a run that touches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from constitutional.constitution.diff import Change
    from constitutional.constitution.model import Constitution, Group
    from constitutional.report.impact import Touched
    from constitutional.store.folder import RunFolder

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@root_option
@click.option("--run", "run_name", metavar="NAME", help="Also: which rows of this run are touched.")
@click.option("--spec", type=_FILE, help="Also: which steps of this spec, and which rows of its run, are touched.")
@click.option("-p", "plugins", multiple=True, metavar="PLUGIN", help="Load a plugin besides those the spec names.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def diff(
    old: Path, new: Path, root: Path, run_name: str | None, spec: Path | None, plugins: Sequence[str], as_json: bool
) -> int:
    """Say which principles changed from OLD to NEW, and which rows, labels and training examples that touches.

    OLD is what the run was made with: keep a copy, or take it from version control.
    """
    from constitutional.constitution.diff import diff as compare
    from constitutional.constitution.diff import groups
    from constitutional.constitution.read import read_constitution

    if run_name is not None and spec is not None:
        raise click.UsageError("give --run or --spec, not both")
    before, after = read_constitution(old), read_constitution(new)
    changes, changed_groups = compare(before, after), groups(before, after)
    touched: dict[str, list[Touched]] = {}
    stale: dict[str, list[str]] = {}
    if run_name is not None:
        touched[run_name] = _touched(_run(root, run_name), before, after, changes, None)
    if spec is not None:
        touched, stale = _of_spec(spec, plugins, root, before, after, changes)
    if as_json:
        runs = {name: [step.to_json() for step in steps] for name, steps in touched.items()}
        said = {"principles": [c.to_json() for c in changes], "runs": runs, "steps_to_do_again": stale}
        click.echo(json.dumps(said, indent=1, ensure_ascii=False))
        return 0
    _tell_changes(changes, changed_groups)
    for name, steps in touched.items():
        _tell_run(name, steps)
    for name, steps_again in stale.items():
        click.echo(f"\n{name}: {len(steps_again)} steps to do again: {', '.join(steps_again) or 'none'}")
    return 0


def _run(root: Path, name: str) -> RunFolder:
    from constitutional.store.folder import Store
    from constitutional.store.lineage import choose_run

    return choose_run(Store(root), name)


def _touched(
    run: RunFolder, old: Constitution, new: Constitution, changes: Sequence[Change], needs: Mapping[str, Any] | None
) -> list[Touched]:
    from constitutional.report.impact import impact

    return impact(run, old, new, changes, needs)


def _of_spec(
    spec: Path, plugins: Sequence[str], root: Path, old: Constitution, new: Constitution, changes: Sequence[Change]
) -> tuple[dict[str, list[Touched]], dict[str, list[str]]]:
    """Each cell of a spec, planned with both constitutions; and its run, where there is one."""
    from dataclasses import replace

    from constitutional.cli.opening import checked_cells
    from constitutional.plan.make import plan
    from constitutional.store.folder import run_names

    touched, stale = {}, {}
    for checked, registry in checked_cells(spec, (), plugins):
        before, after = (plan(replace(checked, constitution=one), registry) for one in (old, new))
        stale[before.name] = [
            name for name, step in after.steps.items() if step.fingerprint != before[name].fingerprint
        ]
        if before.name in run_names(root):
            needs = {name: step.needs() for name, step in before.steps.items()}
            touched[before.name] = _touched(_run(root, before.name), old, new, changes, needs)
    return touched, stale


# -- telling ---------------------------------------------------------------------------------------------------------


def _tell_changes(changes: Sequence[Change], groups: Sequence[tuple[str, Group | None, Group | None]]) -> None:
    from constitutional.text import one_line, printable

    if not changes and not groups:
        click.echo("the same principles")
    for name, was, now in groups:
        click.echo(f"group {printable(name)}: {_group(was)} -> {_group(now)}")
    for change in changes:
        click.echo(f"principle {printable(change.id)}: {_what(change)}")
        for key, (was_text, now_text) in change.texts.items():
            if was_text is not None:
                click.secho(f"  - {key}: {one_line(was_text)}", fg="red")
            if now_text is not None:
                click.secho(f"  + {key}: {one_line(now_text)}", fg="green")


def _group(group: Group | None) -> str:
    return "none" if group is None else f"weight {group.weight:g}, priority {group.priority}"


def _what(change: Change) -> str:
    if change.kind == "added" and change.renamed_from:
        return f"added; it says what {change.renamed_from} said, which is gone: a new id draws other rows"
    said: list[str] = [change.kind] if change.kind != "changed" else []
    said += [f"{', '.join(change.texts)} changed"] if change.texts and change.kind == "changed" else []
    for name in ("weight", "group", "priority"):
        pair = getattr(change, name)
        said += [f"{name} {pair[0]} -> {pair[1]}"] if pair else []
    gone, new = change.examples
    said += [f"examples: {gone} gone, {new} new"] if gone or new else []
    return "; ".join(said)


def _tell_run(name: str, steps: Sequence[Touched]) -> None:
    again = [step for step in steps if step.again]
    click.echo(f"\nrun {name}: {len(again)} of {len(steps)} steps touched")
    if not again:
        return
    rows: list[tuple[str, ...]] = [("step", "rows", "text changed", "other draw", "follow", "")]
    rows += [_row(step) for step in again]
    wide = [max(len(row[column]) for row in rows) for column in range(5)]
    for step, *cells, why in rows:
        right = "  ".join(f"{text:>{width}}" for text, width in zip(cells, wide[1:], strict=True))
        click.echo(f"{step:<{wide[0]}}  {right}  {why}".rstrip())
    if any(step.guessed for step in again):
        click.echo(
            "(*) OLD does not give the draws that were recorded: rows that would now draw another principle are not known"
        )
    labels = [step for step in again if step.stage.startswith("debiaser/")]
    if labels:
        click.echo("labels touched: " + ", ".join(f"{s.touched} of {s.rows} in {s.step}" for s in labels))


def _row(step: Touched) -> tuple[str, ...]:
    why = step.whole
    if step.training is not None:
        why = f"trained anew: {step.training[0]} of {step.training[1]} training examples" + (
            f"; {why}" if step.training[0] == 0 else ""
        )
    name = step.step + (" (*)" if step.guessed else "")
    if step.whole:
        return name, str(step.rows or "-"), "-", "-", "-", why if step.training else f"all: {why}"
    return name, str(step.rows), str(step.said), str(step.moved), str(step.follow), ""
