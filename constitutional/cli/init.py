"""`constitutional init`: a new project that runs as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

#: What a project begins with, relative to the folder of specs.
FILES = ("support-agent.yaml", "constitutions/support-agent.yaml", "data")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
def init(folder: Path) -> int:
    """Write a spec, a constitution and data to FOLDER: the whole method on the model in the box."""
    from constitutional.errors import UserError

    source = _specs()
    taken = [name for name in FILES if (folder / name).exists()]
    if taken:
        raise UserError(f"{folder / taken[0]} exists already", help="name another folder: constitutional init NEW")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        _copy(source / name, folder / name)
    click.echo(f"wrote {', '.join(FILES)} to {folder}")
    click.echo(f"next: constitutional plan {folder / FILES[0]}\nthen: constitutional run {folder / FILES[0]}")
    return 0


def _specs() -> Path:
    """The specs in the box: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "project"
    return inside if inside.is_dir() else package.parent / "specs"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
