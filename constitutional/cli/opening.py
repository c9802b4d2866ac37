"""From command-line arguments to plans: what `run`, `plan` and `check` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from constitutional.plan.step import Plan
    from constitutional.plugins import Registry
    from constitutional.spec.check import Checked

Command = TypeVar("Command", bound=Callable[..., Any])

ROOT_HELP = "Folder of runs (default: `runs` beside where you are)."


@dataclass(frozen=True, slots=True)
class Opened:
    """A checked spec (one cell of its matrix, if it has one) and all it names."""

    checked: Checked
    registry: Registry
    plan: Plan


def spec_options(command: Command) -> Command:
    """The arguments that every command on a spec takes."""
    for option in reversed((
        click.argument("spec", type=click.Path(dir_okay=False, path_type=Path)),
        click.option("--set", "sets", multiple=True, metavar="PATH=VALUE", help="Override a value: stages.rl_cai.with.beta=0.2"),
        click.option("-p", "plugins", multiple=True, metavar="PLUGIN", help="Load a plugin besides those the spec names."),
    )):  # fmt: skip
        command = option(command)
    return command


def root_option(command: Command) -> Command:
    return click.option(
        "--root", type=click.Path(file_okay=False, path_type=Path), default=Path("runs"), help=ROOT_HELP
    )(command)


def prices_option(command: Command) -> Command:
    help = "File of prices, dollars per million tokens (default: $CONSTITUTIONAL_PRICES, then the package's list)."
    return click.option("--prices", type=click.Path(dir_okay=False, path_type=Path), help=help)(command)


def open_spec(spec: Path, sets: Sequence[str], plugins: Sequence[str] = ()) -> list[Opened]:
    """The plans of a spec, one for each cell of its matrix.

    Raises:
        SpecError: with every mistake.
    """
    from constitutional.plan.make import plan

    opened = [Opened(found, registry, plan(found, registry)) for found, registry in checked_cells(spec, sets, plugins)]
    for one in opened:
        _lint(one)
    return opened


def _lint(one: Opened) -> None:
    """Let the rules of plugins look at spec, constitution and plan; an error stops here, before the first call."""
    from constitutional.errors import SpecError

    subjects = (one.checked.spec, one.plan.constitution, one.plan)
    found = [
        said for rule in one.registry.lint_rules(boxed=False) for subject in subjects for said in rule().check(subject)
    ]
    if any(said.severity == "error" for said in found):
        raise SpecError(found)


def checked_cells(spec: Path, sets: Sequence[str], plugins: Sequence[str] = ()) -> list[tuple[Checked, Registry]]:
    """Each cell of a spec's matrix, checked, with the registry that knows what it names.

    Raises:
        SpecError: with every mistake, of structure and of meaning.
    """
    from constitutional.engine.limits import Limits
    from constitutional.errors import SpecError
    from constitutional.spec.check import checked, load_cells, load_checked

    try:
        cells = load_cells(spec, sets)
    except SpecError:
        load_checked(spec, new_registry(plugins), sets, limits=Limits)
        raise
    found = []
    for cell in cells.values():
        registry = new_registry(plugins)
        found.append((checked(cell, registry, limits=Limits), registry))
    return found


def new_registry(plugins: Sequence[str] = ()) -> Registry:
    from constitutional.plugins import Registry

    registry = Registry()
    for name in plugins:
        path = Path(name)
        registry.load(registry.add_local(path) if path.suffix == ".py" else name)
    return registry
