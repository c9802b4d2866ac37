"""`constitutional push`: a trained model of a run to a model hub, when one is told to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from constitutional.cli.opening import root_option

if TYPE_CHECKING:
    from constitutional.store.folder import RunFolder


@click.command()
@click.argument("step")
@click.argument("repository", metavar="OWNER/NAME")
@root_option
@click.option("--run", "run_name", metavar="NAME", help="Which run (default: the latest).")
@click.option("--base", metavar="OWNER/NAME", help="Where the hub has the weights that an adapter belongs to.")
@click.option("--public", is_flag=True, help="Let everybody see a repository that is made new.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
def push(
    step: str, repository: str, root: Path, run_name: str | None, base: str | None, public: bool, dry_run: bool
) -> int:
    """Send the model of STEP with its card to a repository of the Hugging Face Hub.

    Nothing else ever sends anything there.  The token is that of `hf auth login`, or HF_TOKEN; a new repository is private.
    """
    from constitutional.builtin.publishing import files_to_send, send
    from constitutional.store.folder import Store
    from constitutional.store.lineage import choose_run

    run = choose_run(Store(root), run_name)
    files = files_to_send(_folder(run, step), base)
    for name, content in files.items():
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        click.echo(f"{size:>14,}  {name}")
    if dry_run:
        seen = "open to everybody" if public else "private"
        click.echo(
            f"nothing was sent; without --dry-run this goes to {repository}, which is made {seen} where it is new"
        )
        return 0
    click.echo(send(files, repository, private=not public, message=f"{run.name}: {step}"))
    return 0


def _folder(run: RunFolder, name: str) -> Path:
    """The weights of a step; the name of a `repeat` stands for its last round's."""
    from constitutional.suggest import nearest

    found = {
        step: path
        for step, said in run.manifest().get("steps", {}).items()
        for output in said["outputs"]
        for path in [run.store.artifacts.path(said["fingerprint"], output)]
        if any(path.glob("*.safetensors"))
    }
    inside = [step for step in found if step == name or step.startswith(f"{name}.")]
    if inside:
        return found[name if name in found else inside[-1]]
    guess = nearest(name, found)
    hint = f"; did you mean {guess!r}?" if guess else f"; steps with weights: {', '.join(found) or 'none yet'}"
    raise click.UsageError(f"there are no weights of {name!r} in the run {run.name!r}{hint}")
