"""Plugins: found by metadata, loaded when named, blamed by package and version.

This is the only file that touches pluggy's hook callers; everything else uses the typed methods of `Registry`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar, cast

import pluggy

from constitutional import hookspecs
from constitutional.backend import Backend
from constitutional.deferred import Deferred
from constitutional.errors import PluginError
from constitutional.given import BUILTIN, Installed, Registered, identity, port_of
from constitutional.records import RECORDS, Record
from constitutional.source import Executor, LintRule, Reporter, Source, TemplatePack
from constitutional.stage import Stage

__all__ = ["BUILTIN", "Installed", "Loaded", "Registered", "Registry", "installed"]

GROUP = "constitutional"
SLOW_IMPORT_SECONDS = 1.0
KILL_SWITCH = "CONSTITUTIONAL_PLUGINS"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one plugin gave."""

    plugin: Installed
    module: ModuleType
    stages: Mapping[tuple[str, str], Registered[Stage]]
    backends: Mapping[str, Registered[Backend]]
    sources: Mapping[str, Registered[Source]]
    executors: Mapping[str, Registered[Executor]]
    reporters: Mapping[str, Registered[Reporter]]
    records: Mapping[str, type[Record]]
    lint_rules: tuple[Registered[LintRule], ...]
    template_folders: tuple[Path, ...]


@cache
def installed() -> Mapping[str, Installed]:
    """All plugins that are installed, by name, from metadata alone.

    Raises:
        PluginError: where two packages claim one name.
    """
    found: dict[str, Installed] = {}
    for entry in entry_points(group=GROUP):
        dist = entry.dist
        plugin = Installed(entry.name, entry.value, dist.name if dist else "?", dist.version if dist else "?")
        twin = found.setdefault(entry.name, plugin)
        if (twin.module, twin.distribution) != (plugin.module, plugin.distribution):
            raise PluginError(f"{twin} and {plugin} have the same name", help="uninstall one of them")
    return dict(sorted(found.items()))


@dataclass(slots=True)
class Registry:
    """Everything that specs can name.  Plugins are loaded when they are first named, never before."""

    _manager: pluggy.PluginManager = field(default_factory=lambda: _new_manager())
    _loaded: dict[str, Loaded] = field(default_factory=dict)
    _local: dict[str, Path] = field(default_factory=dict)

    # -- loading ---------------------------------------------------------------------------------------------------

    def load(self, name: str) -> Loaded:
        """Import one plugin and collect what it gives; a second call returns the same.

        Raises:
            PluginError: if it is not installed, fails on import, or gives something wrong; the message names the
                package and its version.
        """
        if name not in self._loaded:
            self._loaded[name] = self._collect(self._find(name))
        return self._loaded[name]

    def add_local(self, path: Path) -> str:
        """Make the plugin in a file known under its stem, and return that name."""
        if not path.is_file():
            raise PluginError(f"no plugin file {path}", help="plugin paths are read relative to the spec")
        if path.stem in installed() or path.stem == BUILTIN:
            raise PluginError(
                f"the plugin file {path.name} has the name of an installed plugin", help="rename the file"
            )
        self._local[path.stem] = path
        return path.stem

    def register(self, name: str, module: ModuleType) -> Loaded:
        """Take a module that is already imported as plugin `name`: for tests and notebooks."""
        plugin = Installed(name, module.__name__, "in-process", "0")
        self._loaded[name] = self._collect_module(plugin, module)
        return self._loaded[name]

    def loaded(self) -> Sequence[Installed]:
        return [loaded.plugin for loaded in self._loaded.values()]

    def locals(self) -> Sequence[Path]:
        """Files of local plugins, to be loaded again in a worker process."""
        return list(self._local.values())

    def _find(self, name: str) -> Installed:
        if name in self._local:
            return Installed(name, str(self._local[name]), "local file", str(self._local[name]))
        if os.environ.get(KILL_SWITCH) == "none" and name != BUILTIN:
            raise PluginError(f"plugin `{name}` is not loaded: {KILL_SWITCH}=none", help=f"unset {KILL_SWITCH}")
        if name == BUILTIN:
            from constitutional import __version__

            return Installed(BUILTIN, "constitutional.builtin", "constitutional", __version__)
        if name not in installed():
            raise PluginError(f"no plugin `{name}` is installed", help=f"try: pip install constitutional-{name}")
        return installed()[name]

    def _collect(self, plugin: Installed) -> Loaded:
        started = time.monotonic()
        module = _imported(plugin)
        took = time.monotonic() - started
        if took > SLOW_IMPORT_SECONDS and plugin.name != BUILTIN:
            warnings.warn(f"{plugin} took {took:.1f} s to import: import heavy libraries inside methods", stacklevel=2)
        return self._collect_module(plugin, module)

    def _collect_module(self, plugin: Installed, module: ModuleType) -> Loaded:
        self._register(plugin, module)
        give = _Giver(self._manager, plugin, module)
        stages: dict[tuple[str, str], Registered[Stage]] = {
            (one.kind, one.name): Registered(one, plugin)
            for one in cast("list[Any]", give.classes("constitutional_stages", Stage))
        }
        return Loaded(
            plugin=plugin,
            module=module,
            stages=stages,
            backends=give.named("constitutional_backends", Backend),
            sources=give.named("constitutional_sources", Source),
            executors=give.named("constitutional_executors", Executor),
            reporters=give.named("constitutional_reporters", Reporter),
            records=give.records(),
            lint_rules=tuple(Registered(one, plugin) for one in give.classes("constitutional_lint_rules", LintRule)),
            template_folders=tuple(pack.folder for pack in give.objects("constitutional_templates", TemplatePack)),
        )

    def _register(self, plugin: Installed, module: ModuleType) -> None:
        try:
            _refuse_defaults(plugin, module)
            self._manager.register(module, name=plugin.name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            self._manager.unregister(name=plugin.name)
            raise PluginError(f"{plugin}: {_say_hook(self._manager, error)}") from error

    # -- looking up ------------------------------------------------------------------------------------------------

    def stage(self, kind: str, name: str) -> Registered[Stage]:
        """The stage that a spec calls `kind: name`.

        Raises:
            PluginError: if its plugin does not load.
            KeyError: if the plugin gives no such stage.
        """
        plugin, bare = _split(name)
        return self.load(plugin).stages[kind, bare]

    def backend(self, name: str) -> Registered[Backend]:
        """The backend that a spec calls `name`; raises as `stage`."""
        plugin, bare = _split(name)
        return self.load(plugin).backends[bare]

    def source(self, name: str) -> Registered[Source]:
        """The source that a spec calls `name`; raises as `stage`."""
        plugin, bare = _split(name)
        return self.load(plugin).sources[bare]

    def executor(self, name: str) -> Registered[Executor]:
        """The executor that a spec calls `name`; raises as `stage`."""
        plugin, bare = _split(name)
        return self.load(plugin).executors[bare]

    def stage_names(self, kind: str) -> Sequence[str]:
        """Names of the stages of one kind, of the plugins loaded so far and the built-in ones."""
        self.load(BUILTIN)
        return sorted(r.path for loaded in self._loaded.values() for (k, _), r in loaded.stages.items() if k == kind)

    def backend_names(self) -> Sequence[str]:
        self.load(BUILTIN)
        return sorted(r.path for loaded in self._loaded.values() for r in loaded.backends.values())

    def source_names(self) -> Sequence[str]:
        self.load(BUILTIN)
        return sorted(r.path for loaded in self._loaded.values() for r in loaded.sources.values())

    def executor_names(self) -> Sequence[str]:
        self.load(BUILTIN)
        return sorted(r.path for loaded in self._loaded.values() for r in loaded.executors.values())

    def records(self) -> Mapping[str, type[Record]]:
        """Record types by port, built-in and of the plugins loaded so far."""
        own = {port: record for loaded in self._loaded.values() for port, record in loaded.records.items()}
        return {**{record.port: record for record in RECORDS}, **own}

    def template_packs(self) -> Mapping[str, Path]:
        """Template folders by plugin name, of the plugins loaded so far."""
        return {name: folder for name, loaded in self._loaded.items() for folder in loaded.template_folders}

    def lint_rules(self, boxed: bool = True) -> Sequence[type[LintRule]]:
        """Those of all plugins that are loaded; without the rules in the box, which only advise, unless `boxed`."""
        if boxed:
            self.load(BUILTIN)
        wanted = [loaded for name, loaded in self._loaded.items() if boxed or name != BUILTIN]
        return [rule.cls for loaded in wanted for rule in loaded.lint_rules]

    # -- listening -------------------------------------------------------------------------------------------------

    def listeners(self, event_type: str) -> Sequence[tuple[Installed, Callable[..., None]]]:
        """Who hears events of this type, in order of registration."""
        hook = getattr(self._manager.hook, f"constitutional_{event_type}", None)
        if hook is None:
            return []
        by_name = {name: loaded.plugin for name, loaded in self._loaded.items()}
        return [(by_name[impl.plugin_name], impl.function) for impl in hook.get_hookimpls()]


def _new_manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return manager


def _split(name: str) -> tuple[str, str]:
    plugin, slash, bare = name.partition("/")
    return (plugin, bare) if slash else (BUILTIN, name)


def _imported(plugin: Installed) -> ModuleType:
    try:
        return _import_file(plugin) if plugin.distribution == "local file" else importlib.import_module(plugin.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = f"{plugin} failed on import: {type(error).__name__}: {error}"
        raise PluginError(said, help=f"mend or uninstall {plugin.distribution}; nothing else uses it") from error


def _import_file(plugin: Installed) -> ModuleType:
    name = f"constitutional_local_{plugin.name}"
    spec = importlib.util.spec_from_file_location(name, plugin.module)
    if spec is None or spec.loader is None:
        raise ImportError(f"{plugin.module} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _refuse_defaults(plugin: Installed, module: ModuleType) -> None:
    """pluggy before 1.7 gives the default instead of the event: refuse it by name."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if not hasattr(function, f"{hookspecs.PROJECT}_impl"):
            continue
        if any(p.default is not inspect.Parameter.empty for p in inspect.signature(function).parameters.values()):
            raise PluginError(f"{plugin}: hook `{name}` has an argument with a default", help="write it without one")


def _say_hook(manager: pluggy.PluginManager, error: pluggy.PluginValidationError) -> str:
    from constitutional.suggest import nearest

    known = [name for name in dir(hookspecs) if name.startswith("constitutional_")]
    unknown = [name for name in vars(manager.hook) if name not in known]
    for name in unknown:
        guess = nearest(name, known)
        if guess:
            return f"there is no hook `{name}`; did you mean `{guess}`?"
    return str(error)


@dataclass(frozen=True, slots=True)
class _Giver:
    """Calls one plugin's giving hooks, and checks what comes back."""

    manager: pluggy.PluginManager
    plugin: Installed
    module: ModuleType

    def objects(self, hook: str, expected: type[T] | tuple[type[T], ...]) -> list[T]:
        """What the hook returned, each an `expected`."""
        others = [p for p in self.manager.get_plugins() if p is not self.module]
        caller = self.manager.subset_hook_caller(hook, remove_plugins=others)
        try:
            given = [item for returned in caller() for item in _listed(returned)]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise PluginError(f"{self.plugin}: hook `{hook}` failed: {type(error).__name__}: {error}") from error
        for item in given:
            if not isinstance(item, expected):
                wanted = (expected if isinstance(expected, tuple) else (expected,))[0].__name__
                raise PluginError(f"{self.plugin}: hook `{hook}` gave {item!r:.60}, not a {wanted}")
        return given

    def classes(self, hook: str, base: Callable[..., T]) -> list[type[T] | Deferred]:
        """The classes the hook returned, each a legal subclass of `base` with a name of its own, or deferred."""
        given = cast("list[type[T] | Deferred]", self.objects(hook, (type, Deferred)))
        seen: set[tuple[str, str]] = set()
        for cls in given:
            key = identity(self.plugin, hook, cls, cast("type", base))
            if key in seen:
                raise PluginError(f"{self.plugin}: hook `{hook}` gave two things called `{'/'.join(key).strip('/')}`")
            seen.add(key)
        return given

    def named(self, hook: str, base: Callable[..., T]) -> dict[str, Registered[T]]:
        return {cast("Any", one).name: Registered(one, self.plugin) for one in self.classes(hook, base)}

    def records(self) -> dict[str, type[Record]]:
        given = cast("list[type[Record]]", self.objects("constitutional_records", type))
        return {port_of(self.plugin, cls): cls for cls in given}


def _listed(returned: object) -> Iterator[Any]:
    if not isinstance(returned, Iterable):
        raise TypeError(f"it returned {type(returned).__name__}, not a list")
    yield from returned
