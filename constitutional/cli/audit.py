"""`constitutional audit`: people judge a blind sample of labels, and the judge is held against them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from constitutional.audit.labels import Label
    from constitutional.audit.sample import Key
    from constitutional.constitution.model import Constitution
    from constitutional.store.folder import RunFolder

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Let people judge a blind sample of labels, and hold the judge against them."""


@audit.command()
@click.argument("run")
@click.argument("step")
@root_option
@click.option("-n", "count", default=100, show_default=True, type=click.IntRange(1), help="How many labels to draw.")
@click.option("-o", "--out", type=_OUT, required=True, help="The sheet to write: .csv or .jsonl.")
@click.option("--html", type=_OUT, metavar="FILE", help="Write a page for the browser too, with keys a, b, t and s.")
@click.option(
    "--allocation",
    type=click.Choice(["proportional", "equal"]),
    default="proportional",
    show_default=True,
    help="How many labels each principle and band of confidence gives.",
)
@click.option("--seed", default=0, show_default=True, help="Who is drawn, and which answer is A.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def sample(run: str, step: str, root: Path, count: int, out: Path, html: Path | None, allocation: Any, seed: int,
           force: bool) -> int:  # fmt: skip
    """Draw a sample of the labels of STEP (votes or preferences) in RUN: the name of a run, or its spec.

    The sheet shows nothing of what the judge said.  The key beside it (SHEET.key.json) does: keep it from the annotators.
    """
    from constitutional.audit.labels import labels
    from constitutional.audit.sample import draw, key_json
    from constitutional.audit.sheet import as_csv, as_jsonl, as_page
    from constitutional.store.lineage import rows, tables

    if out.suffix not in (".csv", ".jsonl"):
        raise click.UsageError(f"{out} is neither .csv nor .jsonl")
    folder = _run(run, root)
    table = _table(step, tables(folder))
    found, unlabelled = labels(table.flow, rows(table))
    key = draw(found, count, seed, _questions(found, _constitution(folder)), allocation,
               run=folder.name, step=table.name, unlabelled=unlabelled)  # fmt: skip
    written = {out: as_csv(key.items) if out.suffix == ".csv" else as_jsonl(key.items), _key_of(out): key_json(key)}
    if html is not None:
        written[html] = as_page(key.items, out.stem)
    _write(written, force)
    _tell(key, out, html)
    return 0


def _tell(key: Key, out: Path, html: Path | None) -> None:
    from collections import Counter

    strata = Counter(item.label.stratum for item in key.items)
    left_out = f"; {key.unlabelled} questions without a usable vote are none" if key.unlabelled else ""
    click.echo(f"drew {len(key.items)} of {key.population:,} labels, from {len(strata)} strata{left_out}")
    click.echo(f"for annotators: {' and '.join(str(path) for path in (out, html) if path)}")
    click.echo(f"not for annotators: {_key_of(out)}")
    click.echo(f"then: constitutional audit import FILLED... --key {_key_of(out)} -o verdicts.jsonl")


def _run(run: str, root: Path) -> RunFolder:
    """The run of that name, or of the spec at that path."""
    from constitutional.store.folder import Store, run_names
    from constitutional.store.lineage import choose_run

    name = run
    if run not in run_names(root) and Path(run).suffix in (".yaml", ".yml"):
        from constitutional.spec.check import load

        name = load(Path(run)).name
    return choose_run(Store(root), name)


def _table(step: str, known: Any) -> Any:
    from constitutional.cli.show import table_of

    return table_of(step, known)


def _constitution(folder: RunFolder) -> Constitution | None:
    """The constitution of the run, if the spec and it are still where they were."""
    from constitutional.constitution.read import read_constitution
    from constitutional.errors import SpecError
    from constitutional.spec.check import load

    try:
        spec = load(Path(str(folder.manifest().get("spec", ""))))
        return read_constitution(spec.constitution.path) if spec.constitution else None
    except (SpecError, OSError):
        return None


def _questions(found: Sequence[Label], book: Constitution | None) -> dict[str, str]:
    """What to ask of each label; one that several principles led to is asked by all of them."""
    from constitutional.audit.labels import AND

    compare = {principle.id: principle.compare for principle in book or ()}
    made = {}
    for name in {label.principle for label in found}:
        known = [compare[one] for one in name.split(AND) if one in compare]
        if known:
            made[name] = known[0] if len(known) == 1 else "Which answer is better, all in all? " + " ".join(known)
    return made


def _key_of(out: Path) -> Path:
    return out.with_name(f"{out.stem}.key.json")


def _write(texts: dict[Path, str], force: bool) -> None:
    if len({path.resolve() for path in texts}) < len(texts):
        raise click.UsageError("two of the files to write are the same")
    for path in texts:
        if path.exists() and not force:
            raise click.UsageError(f"{path} is there already; --force replaces it")
        if not path.resolve().parent.is_dir():
            raise click.UsageError(f"there is no folder {path.resolve().parent}")
    for path, text in texts.items():
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(text)


@audit.command("import")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="The key that `sample` wrote.")
@click.option("-o", "--out", type=_OUT, required=True, help="Verdicts to write, as votes of `human:NAME` (JSON lines).")
@click.option("--preferences", type=_OUT, metavar="FILE", help="Write them as preferences too (JSON lines).")
@click.option("--report", type=_OUT, metavar="FILE", help="Write every figure as JSON.")
@click.option(
    "--margin",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.5, max_open=True),
    help="The judge calls a tie this close to one half.",
)
@click.option("--partial", is_flag=True, help="Take files that are not finished.")
@click.option("--seed", default=0, show_default=True, help="Seed of the intervals.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
def import_(files: tuple[Path, ...], key_file: Path, out: Path, preferences: Path | None, report: Path | None, margin: float,
            partial: bool, seed: int, force: bool) -> int:  # fmt: skip
    """Take FILES back that annotators filled in, one or more; `sheet.alice.csv` is alice's."""
    from constitutional.audit.figures import report as figures
    from constitutional.audit.figures import table
    from constitutional.audit.sample import read_key
    from constitutional.audit.verdicts import as_preferences, as_votes, read_verdicts
    from constitutional.text import printable

    key = read_key(key_file)
    judged, missing = read_verdicts(files, key, partial=partial)
    said = figures(key, judged, missing, margin, seed)
    written = {out: as_votes(judged)}
    if preferences is not None:
        written[preferences] = as_preferences(judged)
    if report is not None:
        written[report] = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    _write(written, force)
    for line in table(said):
        click.echo(printable(line))
    click.echo(f"\nwrote {len(judged)} verdicts to {' and '.join(str(path) for path in written)}")
    return 0
