"""`constitutional collective`: from the votes of many people to a constitution."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from constitutional.collective.build import Built

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The constitution to write."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--name", help="Name of the constitution (default: that of the folder).")
@click.option(
    "--min-votes", default=7, show_default=True, type=click.IntRange(1), help="Leave out people with fewer votes."
)
@click.option(
    "--toss",
    type=_FILE,
    metavar="FILE",
    help="Ids of people to leave out, one a line, no header (default: FOLDER/ids-to-toss.csv).",
)
@click.option(
    "--moderation",
    type=click.Choice(["strict", "lenient", "all"]),
    default="strict",
    show_default=True,
    help="Keep statements moderated in; not moderated out; or all.",
)
@click.option(
    "--groups",
    type=click.Choice(["fresh", "column", "realigned"]),
    default="fresh",
    show_default=True,
    help="Opinion groups: new ones; the export's own; or its own in the order that fits the votes.",
)
@click.option(
    "--k", type=click.IntRange(2, 26), metavar="N", help="How many fresh groups (default: 2 to 5, by silhouette)."
)
@click.option(
    "--group-file", type=_FILE, metavar="FILE", help="Table with `participant` and `group-id` in place of the export's."
)
@click.option(
    "--consensus",
    "threshold",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Least group-aware consensus (default: 0.85 to the power of the number of groups).",
)
@click.option(
    "--likeness", default=0.7, show_default=True, type=click.FloatRange(0, 1), help="Merge statements this alike."
)
@click.option("--keep-duplicates", is_flag=True, help="Merge nothing.")
@click.option(
    "--max-principles", "most", type=click.IntRange(1), metavar="N", help="Keep the N with the highest consensus."
)
@click.option(
    "--missing",
    type=click.Choice(["mean", "zero"]),
    default="mean",
    show_default=True,
    help="What stands for an absent vote on the map: the statement's mean, or a pass.",
)
@click.option(
    "--samples",
    type=click.Choice(["people", "statements"]),
    default="people",
    show_default=True,
    help="Which of the two the map takes as its samples.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of k-means and intervals.")
@click.option(
    "--spec", type=_FILE, metavar="SPEC", help="A spec whose --model words the comparisons (default: a template does)."
)
@click.option("--model", metavar="NAME", help="The model of --spec that words them.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write report.json, statements.csv and map.svg there.",
)
@root_option
def collective(folder: Path, out: Path, force: bool, name: str | None, toss: Path | None, group_file: Path | None,
               likeness: float, keep_duplicates: bool, spec: Path | None, model: str | None, report: Path | None,
               root: Path, **rules: Any) -> int:  # fmt: skip
    """Make a constitution of what every opinion group in a Polis export (FOLDER) agrees with."""
    from constitutional.collective.build import Rules, build
    from constitutional.collective.principles import write
    from constitutional.collective.report import lines, write_report
    from constitutional.text import printable

    if (spec is None) != (model is None):
        raise click.UsageError("--spec and --model belong together: a spec, and the name of a model in it")
    if out.exists() and not force:
        raise click.UsageError(f"{out} is there already; --force replaces it")
    if not out.resolve().parent.is_dir():
        raise click.UsageError(f"there is no folder {out.resolve().parent}")
    made = Rules(likeness=None if keep_duplicates else likeness, **rules)
    built = build(folder, made, name=name, toss=toss, group_file=group_file)
    if spec is not None and model is not None:
        built = _worded(built, spec, model, root)
    for line in lines(built):
        click.echo(printable(line))
    write(built.constitution, out)
    click.echo(f"wrote {len(built.constitution)} principles to {out}" + _by_model(built, model))
    for path in write_report(built, report) if report else ():
        click.echo(f"wrote {path}")
    return 0


def _by_model(built: Built, model: str | None) -> str:
    if model is None:
        return ""
    return f"; `{model}` worded {built.by_model} of them usably, a template the others"


def _worded(built: Built, spec: Path, model: str, root: Path) -> Built:
    """Ask the model through a run of its own: it resumes, asks nothing twice, and holds to the spec's limits."""
    from constitutional.cli.opening import open_spec
    from constitutional.engine.run import run
    from constitutional.errors import UserError
    from constitutional.store.folder import RunFolder, Store
    from constitutional.store.lineage import rows, tables

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "statements.jsonl"
        path.write_text(_questions(built), encoding="utf-8")
        stages = {"worded": {"generator": "sample", "model": model, "prompts": "statements",
                             "with": {"temperature": 0, "max_new_tokens": 160, "on_length": "drop"}}}  # fmt: skip
        data = {"statements": {"source": "jsonl", "path": str(path)}}
        sets = {"name": f"{built.constitution.name}-wording", "data": data, "stages": stages}
        opened = open_spec(spec, [f"{key}={json.dumps(value)}" for key, value in sets.items()])
        if len(opened) > 1:
            raise UserError(f"{spec} is a matrix of {len(opened)} specs", help="name one without a `matrix:`")
        store = Store(root)
        try:
            run(opened[0].plan, opened[0].registry, store, say=lambda said: click.echo(said, err=True))
            found = tables(RunFolder(store, opened[0].plan.name))
            answers = next((list(rows(table)) for table in found if table.step == "worded"), [])
        finally:
            store.close()
    said = {int(json.loads(row["meta"])["statement"]): row["completion"][0]["content"] for row in answers}
    return built.reworded(said)


def _questions(built: Built) -> str:
    from constitutional.prompts import load
    from constitutional.records import to_json

    template = load("wording/comparison")
    asked = [
        {"prompt": to_json(template.render(principle=principle)), "statement": built.votes.statements[one.column].id}
        for one, principle in zip(built.chosen, built.constitution, strict=True)
    ]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in asked)
