"""What plugins give: who gave it, when it is imported, and whether it can be used at all."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

from constitutional.deferred import Deferred
from constitutional.errors import PluginError
from constitutional.records import RECORDS, Record
from constitutional.stage import KINDS, Stage

BUILTIN = "builtin"
#: Keys of a stage in a spec: no record's port can be called so.
KEYS = frozenset({"rows", "with", "model", "models", "require", "about", *KINDS})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as its metadata tells it; nothing has been imported."""

    name: str
    module: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"plugin `{self.name}` ({self.distribution} {self.version})"


@dataclass(frozen=True, slots=True)
class Registered(Generic[T]):
    """A class that a plugin gave, and the plugin that is to be blamed for it."""

    given: type[T] | Deferred
    plugin: Installed

    @property
    def cls(self) -> type[T]:
        """The class, imported now where it was deferred.

        Raises:
            PluginError: if it fails on import, or is not what was announced.
        """
        return _imported(self.given, self.plugin) if isinstance(self.given, Deferred) else self.given

    @property
    def path(self) -> str:
        """The name that a spec writes: bare for built-ins, `acme/name` for others."""
        name = str(cast("Any", self.given).name)
        return name if self.plugin.name == BUILTIN else f"{self.plugin.name}/{name}"


def identity(plugin: Installed, hook: str, given: type[Any] | Deferred, base: type[Any]) -> tuple[str, str]:
    """The kind (of a stage; else empty) and the name of a class that a hook gave, or announced.

    Raises:
        PluginError: if it is no `base`, has no legal name or kind, or leaves out what a `base` must do.
    """
    if isinstance(given, Deferred):
        return _announced(plugin, hook, given, base)
    if not (isinstance(given, type) and issubclass(given, base)):
        raise PluginError(f"{plugin}: hook `{hook}` gave {given!r:.60}, not a subclass of {base.__name__}")
    name = _name(given)
    if not isinstance(name, str) or "/" in name:
        raise PluginError(f"{plugin}: {given.__name__} has no usable `name`", help="set `name` on the class")
    kind = getattr(given, "kind", "")
    if base is Stage and kind not in KINDS:
        raise PluginError(f"{plugin}: {given.__name__} has no legal `kind`", help=f"one of {', '.join(KINDS)}")
    if inspect.isabstract(given):
        missing = ", ".join(sorted(given.__abstractmethods__))
        raise PluginError(f"{plugin}: {given.__name__} leaves out {missing}")
    return kind, name


def port_of(plugin: Installed, given: type[Any]) -> str:
    """The port of a record type that a plugin gave.

    Raises:
        PluginError: if it is no record type, or its port has the name of something else.
    """
    if not issubclass(given, Record) or given.port in KEYS | {record.port for record in RECORDS}:
        raise PluginError(f"{plugin}: record {given.__name__} needs a port name of its own")
    return given.port


def _announced(plugin: Installed, hook: str, one: Deferred, base: type[Any]) -> tuple[str, str]:
    if not one.name or "/" in one.name or ":" not in one.target or (one.kind in KINDS) is not (base is Stage):
        raise PluginError(f"{plugin}: hook `{hook}` gave {one!r:.80}, which cannot be used",
                          help="write Deferred(name, 'package.module:Class'), with `kind` for a stage")  # fmt: skip
    return one.kind, one.name


def _name(given: type[Any]) -> Any:
    """What a class calls itself: lint rules have a code."""
    return getattr(given, "name", None) or getattr(given, "code", None)


@cache
def _imported(one: Deferred, plugin: Installed) -> type[Any]:
    try:
        found = one.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = f"{plugin}: {one.target} failed on import: {type(error).__name__}: {error}"
        raise PluginError(said, help=f"mend or uninstall {plugin.distribution}; nothing else uses it") from error
    if _name(found) != one.name or getattr(found, "kind", "") != one.kind or inspect.isabstract(found):
        raise PluginError(f"{plugin}: {one.target} is not what was announced, {one.kind or 'a'} `{one.name}`")
    return found
