"""`constitutional plugins`: what is installed, from metadata alone; one by name is loaded and examined."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def plugins(name: str | None, as_json: bool) -> int:
    """List installed plugins; with NAME, load that one and say what it gives."""
    from constitutional.plugins import installed

    if name:
        return _examine(name)
    found = installed().values()
    if as_json:
        keys = ("name", "distribution", "version", "module")
        click.echo(json.dumps([{key: getattr(plugin, key) for key in keys} for plugin in found], indent=1))
        return 0
    wide = max((len(plugin.name) for plugin in found), default=0)
    for plugin in found:
        click.echo(f"{plugin.name:<{wide}}  {plugin.distribution} {plugin.version}  ({plugin.module})")
    return 0


def _examine(name: str) -> int:
    from constitutional.plugins import Registry

    loaded = Registry().load(name)
    click.echo(str(loaded.plugin))
    given = {
        "stages": [f"{kind}/{stage.path}" for (kind, _), stage in loaded.stages.items()],
        "backends": [backend.path for backend in loaded.backends.values()],
        "sources": [source.path for source in loaded.sources.values()],
        "executors": [executor.path for executor in loaded.executors.values()],
        "records": list(loaded.records),
        "template folders": [str(folder) for folder in loaded.template_folders],
    }
    for what, names in given.items():
        if names:
            click.echo(f"  {what}: {', '.join(names)}")
    return 0
