"""Reference pages from the code: stages, backends, sources, hooks and commands, made anew for each build."""

from __future__ import annotations

import inspect
from typing import Any

import click
from mkdocs.structure.files import File

from constitutional import hookspecs
from constitutional.cli.main import COMMANDS, cli
from constitutional.cli.stages import _described, parameters
from constitutional.plugins import Registry
from constitutional.stage import KINDS


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to the site."""
    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def pages() -> dict[str, str]:
    """Every reference page by name."""
    registry = Registry()
    return {"stages": _stages(registry), "backends": _backends(registry), "hooks": _hooks(), "cli": _commands()}


def _stages(registry: Registry) -> str:
    parts = ["# Stages\n\nEvery stage in the box, from the code. `constitutional stages KIND/NAME` prints the same.\n"]
    for kind in KINDS:
        parts.append(f"## {kind}\n")
        for name in registry.stage_names(kind):
            said = _described(registry.stage(kind, name))
            takes = "\n".join(f"- `{port}`: {flow}" for port, flow in said["takes"].items())
            gives = ", ".join(f"`{output}`: {flow}" if output else flow for output, flow in said["gives"].items())
            parts.append(
                f"### {kind}: {name}\n\n{said['about']}\n\n**Takes**\n\n{takes}\n\n**Gives** {gives}\n\n{_table(said['parameters'])}"
            )
    return "\n".join(parts)


def _backends(registry: Registry) -> str:
    parts = ["# Backends and sources\n\n## Backends\n\nUnder `models:`.\n"]
    for name in registry.backend_names():
        cls = registry.backend(name).cls
        parts.append(
            f"### backend: {name}\n\n{inspect.getdoc(cls)}\n\nGives {cls.gives!s}.\n\n{_table(parameters(cls.Params))}"
        )
    parts.append("## Sources\n\nUnder `data:`.\n")
    for name in registry.source_names():
        cls = registry.source(name).cls
        parts.append(f"### source: {name}\n\n{inspect.getdoc(cls)}\n\n{_table(parameters(cls.Params))}")
    return "\n".join(parts)


def _table(found: dict[str, dict[str, Any]]) -> str:
    if not found:
        return ""
    rows = ["| parameter | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, said in found.items():
        default = "required" if said["required"] else f"`{said['default']}`"
        kind = str(said["type"]).replace("|", "\\|")
        rows.append(f"| `{name}` | `{kind}` | {default} | {str(said['about']).replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def _hooks() -> str:
    parts = [f"# Hooks\n\n{inspect.getdoc(hookspecs)}\n"]
    for name, function in vars(hookspecs).items():
        if name.startswith("constitutional_"):
            parts.append(
                f"## {name}\n\n```python\n{name}{inspect.signature(function)}\n```\n\n{inspect.getdoc(function)}\n"
            )
    return "\n".join(parts)


def _commands() -> str:
    context = click.Context(cli, info_name="constitutional")
    parts = ["# Command line\n", f"```text\n{cli.get_help(context)}\n```\n"]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        parts.append(
            f"## {name}\n\n```text\n{command.get_help(click.Context(command, info_name=name, parent=context))}\n```\n"
        )
    codes = {0: "done", 1: "a run that failed, or a `require:` that did not hold", 2: "a mistake of the user's", 74: "the disk or the network said no",
             75: "another run holds the folder", 130: "stopped; the same command goes on"}  # fmt: skip
    parts.append(
        "## Exit codes\n\n| code | meaning |\n| --- | --- |\n"
        + "\n".join(f"| {code} | {said} |" for code, said in codes.items())
    )
    return "\n".join(parts)
