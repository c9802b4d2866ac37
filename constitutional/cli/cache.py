"""`constitutional cache`: what the store keeps, whether it is whole, and what nobody needs any more."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from constitutional.store.care import Kept

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZES = {"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@click.group()
def cache() -> None:
    """Show, verify or prune what runs have kept."""


@cache.command()
@root_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(root: Path, as_json: bool) -> int:
    """What is kept: answers by model, finished steps by stage, and what no run needs."""
    from constitutional.store import care
    from constitutional.store.folder import Store

    store = Store(root)
    kept, left, calls = list(care.artifacts(store)), list(care.leftovers(store)), care.calls(store)
    journal = sum(path.stat().st_size for path in (root / ".store").glob("journal.sqlite*"))
    stages = {kept_one.made_by: _summed([k for k in kept if k.made_by == kept_one.made_by]) for kept_one in kept}
    unused = [k for k in kept if not k.runs]
    if as_json:
        said = {"journal_bytes": journal, "answers": calls, "stages": stages, "unneeded": _summed([*unused, *left])}
        click.echo(json.dumps(said, indent=1))
        return 0
    click.echo(f"{_bytes(journal):>10}  journal: {sum(calls.values()):,} answers")
    for model, count in calls.most_common():
        click.echo(f"{'':>10}    {model}: {count:,}")
    for stage, total in sorted(stages.items(), key=lambda item: -item[1]["bytes"]):
        click.echo(f"{_bytes(total['bytes']):>10}  {stage}: {total['count']} finished")
    free = sum(k.size for k in (*unused, *left))
    if free:
        click.echo(f"{_bytes(free):>10}  needed by no run: `constitutional cache prune` lists it")
    return 0


@cache.command()
@root_option
def verify(root: Path) -> int:
    """Compute every digest again and check the journal; 1 where something is broken."""
    from constitutional.store import care
    from constitutional.store.folder import Store

    found = list(care.broken(Store(root)))
    for path, reason in found:
        click.echo(f"broken: {path}: {reason}")
    if found:
        click.echo(
            "  help: delete a broken artifact's folder, or move a damaged journal away; the next run makes them anew"
        )
        return 1
    click.echo("everything is as it was written")
    return 0


@cache.command()
@root_option
@click.option("--older-than", metavar="AGE", help="Only what has not changed for so long: 12h, 30d, 4w.")
@click.option("--max-size", metavar="SIZE", help="Only until the store is no larger: 500MB, 20GB.")
@click.option("--yes", is_flag=True, help="Delete; without it, only list.")
def prune(root: Path, older_than: str | None, max_size: str | None, yes: bool) -> int:
    """Delete finished steps and leftovers that no run names; answers of models always stay."""
    from constitutional.store import care
    from constitutional.store.folder import Store

    age, most = _age(older_than), _size(max_size)
    store = Store(root)
    if not yes:
        _list(care.unneeded(store, age, most), "would go; `--yes` deletes it")
        return 0
    with care.alone(store):
        chosen = care.unneeded(store, age, most)
        _list(chosen, "deleted")
        care.remove(chosen)
    return 0


def _list(kept: Sequence[Kept], what: str) -> None:
    for one in kept:
        click.echo(f"{_bytes(one.size):>10}  {one.made_by}  {one.path}")
    click.echo(f"{_bytes(sum(one.size for one in kept))} {what}" if kept else "every finished step is named by a run")


def _summed(kept: Sequence[Kept]) -> dict[str, int]:
    return {"count": len(kept), "bytes": sum(one.size for one in kept)}


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _age(text: str | None) -> float:
    if text is None:
        return 0.0
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no age; write 12h, 30d or 4w", param_hint="--older-than")
    return float(found[1]) * _UNITS[found[2]]


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B?)", text, re.IGNORECASE)
    if found is None or found[2].upper() not in _SIZES:
        raise click.BadParameter(f"{text!r} is no size; write 500MB or 20GB", param_hint="--max-size")
    return int(float(found[1]) * _SIZES[found[2].upper()])
