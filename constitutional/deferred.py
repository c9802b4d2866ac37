"""Classes that are imported when somebody names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Deferred:
    """A class that a hook gives by name, and that is imported when a spec names it.

    So a plugin of many parts costs no more than those that are used.  `target` is `package.module:Class`; `kind` is needed
    for stages alone.
    """

    name: str
    target: str
    kind: str = ""

    def load(self) -> type[Any]:
        """Import the class.  Whatever its module raises passes."""
        return _load(self.target)


@cache
def _load(target: str) -> type[Any]:
    module, _, name = target.partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


def offered(package: str, kind: str, targets: Mapping[str, str]) -> tuple[Deferred, ...]:
    """What a package offers, from names in specs to `module:Class` within the package."""
    return tuple(Deferred(name, f"{package}.{target}", kind) for name, target in targets.items())


def attributes(package: str, *offers: Deferred) -> Callable[[str], Any]:
    """A module's `__getattr__` that finds the offered classes under their own names."""
    by_name = {one.target.partition(":")[2]: one for one in offers}

    def find(name: str) -> Any:
        if name not in by_name:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return by_name[name].load()

    return find
