"""`constitutional lint`: what is known of principles that work, held against a constitution."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.check import FORMATS, Format

if TYPE_CHECKING:
    from constitutional.source import LintRule


@click.command()
@click.argument("constitution", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-p", "plugins", multiple=True, metavar="PLUGIN", help="Use the rules of a plugin too.")
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave a rule out; give it again for more.")
@click.option("--strict", is_flag=True, help="Findings are errors: exit with 2 where there are any.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="full", help="How to print what is found.")
@click.option("--rules", "only_rules", is_flag=True, help="List the rules.")
def lint(
    constitution: Path | None, plugins: Sequence[str], ignore: Sequence[str], strict: bool, form: Format, only_rules: bool
) -> int:  # fmt: skip
    """Hold CONSTITUTION (or the one a spec names) against what is known of principles that work.

    Findings are warnings with the name of a rule; `ignore: {RULE: reason}` in the file switches one off.
    """
    from constitutional.cli.constitutions import open_constitution
    from constitutional.cli.opening import new_registry
    from constitutional.constitution.lint import as_errors
    from constitutional.constitution.lint import lint as find
    from constitutional.errors import SpecError
    from constitutional.spec.render import render, summary

    if only_rules:
        _list(_rules(new_registry(plugins).lint_rules(), ()))
        return 0
    if constitution is None:
        raise click.UsageError("name a constitution, or give --rules")
    try:
        whole, registry = open_constitution(constitution, plugins)
    except SpecError as error:
        click.echo(render(error.diagnostics, form, color=sys.stdout.isatty()), err=form == "full")
        return 2
    found = find(whole, _rules(registry.lint_rules(), ignore), ignore)
    found = as_errors(found) if strict else found
    if found or form == "json":
        click.echo(render(found, form, color=sys.stdout.isatty()), nl=form == "full")
    if form == "full":
        click.echo(f"{constitution}: {summary(found) if found else f'nothing found in {len(whole)} principles'}")
    return 2 if any(said.severity == "error" for said in found) else 0


def _rules(rules: Sequence[type[LintRule]], ignore: Sequence[str]) -> Sequence[type[LintRule]]:
    """The rules, if every name to be ignored is one of them."""
    from constitutional.constitution.lint import UNUSED
    from constitutional.suggest import nearest

    known = sorted({rule.code for rule in rules} | {UNUSED})
    for name in ignore:
        if name not in known:
            guess = nearest(name, known)
            hint = f"; did you mean {guess!r}?" if guess else f"; rules: {', '.join(known)}"
            raise click.UsageError(f"there is no lint rule {name!r}{hint}")
    return rules


def _list(rules: Sequence[type[LintRule]]) -> None:
    wide = max(len(rule.code) for rule in rules)
    for rule in rules:
        said = " ".join((inspect.getdoc(rule) or "").partition("\n\n")[0].split())
        click.echo(f"{rule.code:<{wide}}  {said}")
