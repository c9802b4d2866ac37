"""`constitutional stages`: what there is, with every parameter."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from constitutional.plugins import Registered, Registry
    from constitutional.stage import Stage


@click.command()
@click.argument("what", required=False, metavar="[KIND[/NAME]]")
@click.option("-p", "plugins", multiple=True, metavar="PLUGIN", help="Include a plugin's stages.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def stages(what: str | None, plugins: tuple[str, ...], as_json: bool) -> int:
    """List stages, or explain one: `constitutional stages trainer/dpo`."""
    from constitutional.cli.opening import new_registry

    registry = new_registry(plugins)
    kind, _, name = (what or "").partition("/")
    if name and "/" in name:
        registry.load(name.partition("/")[0])
    found = _found(registry, kind, name)
    if as_json:
        click.echo(json.dumps([_described(stage) for stage in found], indent=1))
    elif name:
        _explain(found[0])
    else:
        _list(found)
    return 0


def _found(registry: Registry, kind: str, name: str) -> list[Registered[Stage]]:
    from constitutional.stage import KINDS
    from constitutional.suggest import nearest

    if kind and kind not in KINDS:
        raise click.UsageError(
            f"there is no kind {kind!r}" + _guess(nearest(kind, KINDS)) + f"; kinds: {', '.join(KINDS)}"
        )
    all_stages = [registry.stage(k, path) for k in KINDS for path in registry.stage_names(k) if k == kind or not kind]
    found = [stage for stage in all_stages if not name or stage.path == name]
    if not found:
        raise click.UsageError(
            f"there is no {kind} {name!r}" + _guess(nearest(name, [stage.path for stage in all_stages]))
        )
    return found


def _guess(word: str | None) -> str:
    return f"; did you mean {word!r}?" if word else ""


def _list(found: list[Registered[Stage]]) -> None:
    wide = max(len(f"{stage.cls.kind}/{stage.path}") for stage in found)
    for stage in found:
        click.echo(f"{stage.cls.kind + '/' + stage.path:<{wide}}  {_first_line(stage.cls)}")


def _explain(stage: Registered[Stage]) -> None:
    said = _described(stage)
    click.echo(f"{said['kind']}: {said['name']}   ({said['plugin']})\n\n{said['about']}\n")
    click.echo("takes")
    for port, flow in said["takes"].items():
        click.echo(f"  {port}: {flow}")
    click.echo(
        "gives\n  " + ", ".join(f"{name or 'rows'}: {flow}" if name else flow for name, flow in said["gives"].items())
    )
    click.echo("\nwith")
    for name, parameter in said["parameters"].items():
        default = "required" if parameter["required"] else f"default {json.dumps(parameter['default'])}"
        click.echo(f"  {name}: {parameter['type']}   ({default})")
        if parameter["about"]:
            click.echo(f"      {parameter['about']}")


def _described(stage: Registered[Stage]) -> dict[str, Any]:
    cls = stage.cls
    takes = {port: _port(taken) for port, taken in cls.takes.items()}
    takes |= {
        port: f"model{'s by label' if ask.labelled else ''} ({ask.capability.name})".lower()
        + (f", in place of {ask.instead_of}" if ask.instead_of else "")
        for port, ask in cls.asks.items()
    }
    return {
        "kind": cls.kind, "name": stage.path, "version": cls.version, "plugin": str(stage.plugin), "about": inspect.getdoc(cls) or "",
        "takes": takes, "gives": _gives(cls), "parameters": parameters(cls.Params), "figures": _figures(cls),
    }  # fmt: skip


def _port(taken: Any) -> str:
    how = "labels to names" if taken.labelled else "one name or a list" if taken.many else "one name"
    return f"{taken.type.__name__} ({how}{', optional' if taken.optional else ''})" + (
        f": {taken.about}" if taken.about else ""
    )


def _gives(cls: type[Stage]) -> dict[str, str]:
    try:
        return {name: flow.__name__ for name, flow in cls.gives(cls.Params.model_construct()).items()}
    except Exception:  # noqa: BLE001  (outputs that follow from required parameters)
        return {"": "depends on its parameters"}


def _figures(cls: type[Stage]) -> list[str]:
    try:
        return list(cls.figures(cls.Params()))
    except Exception:  # noqa: BLE001
        return []


def parameters(params: Any) -> dict[str, dict[str, Any]]:
    """Each parameter's type, default and meaning."""
    from pydantic_core import PydanticUndefined

    from constitutional.cli.types import fields, written
    from constitutional.parameters import describe

    describe()
    return {
        name: {
            "type": written(info.annotation), "required": info.is_required(), "about": " ".join((info.description or "").split()),
            "default": None if info.default is PydanticUndefined else _plain(info.get_default(call_default_factory=True)),
        }
        for name, info in fields(params)
    }  # fmt: skip


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except TypeError:
        return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)
    return value


def _first_line(cls: type[Stage]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]
