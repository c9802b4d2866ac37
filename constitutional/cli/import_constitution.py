"""`constitutional import-constitution`: principles that others have published, as a file of one's own."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import-constitution")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write (default: print it)."
)
@click.option("--name", help="The constitution's name (default: the file's).")
@click.option("--group", help="The group of all its principles.")
def import_constitution(file: Path, output: Path | None, name: str | None, group: str | None) -> int:
    """Turn a published JSON FILE into a constitution: critique and revision requests, comparisons, or critics and revisions.

    What it has no texts for is worded from those it has. Ids, weights, groups and examples are yours to add.
    """
    from constitutional.constitution.published import as_yaml, read_published
    from constitutional.constitution.read import read_source_text
    from constitutional.diagnostic import Source
    from constitutional.errors import SpecError, UserError
    from constitutional.spec.findings import Findings

    found = read_published(file)
    text = as_yaml(found, name or file.stem, group)
    findings = Findings()
    read_source_text(Source(str(output or "the result"), text, Path()), None, findings)
    if findings.diagnostics:  # a name or group that cannot be one
        raise SpecError(findings.diagnostics)
    if output is None:
        click.echo(text, nl=False)
    else:
        if output.exists():
            raise UserError(f"{output} exists already", help="name another file with -o")
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        click.echo(
            f"wrote {len(found.principles)} principles ({found.form}) to {output}\nnext: constitutional lint {output}"
        )
    if found.left_out:
        click.echo(f"left out: {found.left_out}, which is no principle", err=True)
    return 0
