"""The entry point: a group whose commands are imported when they are named, and the form of every failure."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any

import click

COMMANDS = {
    "run": "Do what a spec says; go on where the last run stopped.",
    "plan": "Show what a run would do, and why.",
    "preview": "Run a few rows through all row stages, and show them.",
    "check": "Find every mistake in a spec without running it.",
    "collective": "Make a constitution of what many people voted for.",
    "lint": "Hold a constitution against what is known of principles that work.",
    "test": "Put the examples of principles to a judge, each in both orders.",
    "diff": "Say what changed in a constitution, and what of a run that touches.",
    "import-constitution": "Turn principles that others have published into a constitution.",
    "init": "Start a new project that runs.",
    "show": "Print rows of a step: prompts, answers, critiques, revisions, votes.",
    "trace": "Print the lineage of one row, back to its prompt and principle.",
    "principles": "Say what each principle did in a run.",
    "stages": "List stages, or explain one with every parameter.",
    "plugins": "List installed plugins, from their metadata alone.",
    "push": "Send a trained model to a model hub; nothing else ever does.",
    "audit": "Let people judge a blind sample of labels, and hold the judge against them.",
    "runs": "List the runs in a folder.",
    "cache": "Show, verify or prune what runs have kept.",
    "schema": "Write the JSON Schema of specs, for editors.",
}


class LazyGroup(click.Group):
    """Knows its commands by name; imports one when it is called or its help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"constitutional.cli.{name}"), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from constitutional.suggest import nearest

            guess = nearest(args[0], COMMANDS)
            raise click.UsageError(
                f"There is no command {args[0]!r}" + (f"; did you mean {guess!r}?" if guess else ".")
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="constitutional")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """A written constitution in, a trained model out."""
    ctx.obj = {"debug": debug}


def main() -> None:
    """Run the command line; 0 done, 1 a failed run, 2 the user's mistake, 75 locked, 130 interrupted."""
    debug = "--debug" in sys.argv
    # What is imported stays: there is no use in looking for garbage among it again and again.
    gc.set_threshold(20_000, 20, 100)
    try:
        sys.exit(_invoke())
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        sys.exit(_say(error))


def _invoke() -> int:
    argv = [argument for argument in sys.argv[1:] if argument != "--debug"]
    result: Any = cli.main(args=argv, standalone_mode=False)
    return result if isinstance(result, int) else 0


def _say(error: Exception) -> int:
    """Put an error in words, and return the exit code."""
    from constitutional.errors import ConstitutionalError, SpecError
    from constitutional.text import printable

    if isinstance(error, SpecError):
        from constitutional.spec.render import render

        click.echo(render(error.diagnostics, color=sys.stderr.isatty()), err=True)
        return error.exit_code
    if isinstance(error, ConstitutionalError):
        click.echo(f"error: {printable(str(error))}", err=True)
        if error.help:
            click.echo(f"  help: {printable(error.help)}", err=True)
        return error.exit_code
    if isinstance(error, OSError):
        click.echo(f"error: {printable(str(error))}", err=True)
        return 74
    click.echo(f"error: {type(error).__name__}: {printable(str(error))}", err=True)
    click.echo("  help: this is a defect of constitutional or a plugin; --debug shows where", err=True)
    return 1


if __name__ == "__main__":
    main()
