"""What a spec names, looked up in the registry: plugins, stages, backends, sources, executors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from constitutional.errors import PluginError
from constitutional.spec.findings import Findings, did_you_mean, listed
from constitutional.spec.model import Spec
from constitutional.spec.stages import KINDS
from constitutional.spec.text import Span

if TYPE_CHECKING:
    from constitutional.plugins import Registered, Registry
    from constitutional.stage import Stage

T = TypeVar("T")


class Installed:
    """Asks the registry, and reports each plugin that fails once."""

    def __init__(self, registry: Registry, findings: Findings) -> None:
        self.registry = registry
        self._findings = findings
        self._failed: set[str] = set()

    def load_plugins(self, spec: Spec) -> None:
        """Load what `plugins:` names, in order."""
        for plugin in spec.plugins:
            name = plugin.name
            try:
                if plugin.path is not None:
                    name = self.registry.add_local(plugin.path)
                self.registry.load(name)
            except PluginError as error:
                self._blame(name, error, plugin.span)

    def stage(self, kind: str, name: str, span: Span) -> Registered[Stage] | None:
        names = self.registry.stage_names
        return self._find(name, kind, span, lambda: self.registry.stage(kind, name), lambda: names(kind))

    def backend(self, name: str, span: Span) -> Registered[Any] | None:
        return self._find(name, "backend", span, lambda: self.registry.backend(name), self.registry.backend_names)

    def source(self, name: str, span: Span) -> Registered[Any] | None:
        return self._find(name, "source", span, lambda: self.registry.source(name), self.registry.source_names)

    def executor(self, name: str, span: Span) -> Registered[Any] | None:
        return self._find(name, "executor", span, lambda: self.registry.executor(name), self.registry.executor_names)

    def _find(
        self, name: str, what: str, span: Span, look: Callable[[], T], names: Callable[[], Iterable[str]]
    ) -> T | None:
        plugin = name.partition("/")[0] if "/" in name else ""
        if plugin in self._failed:
            return None
        try:
            return look()
        except PluginError as error:
            self._blame(plugin or "builtin", error, span)
        except KeyError:
            known = list(names())
            label = did_you_mean(name, known, self._elsewhere(name, what) or listed(known))
            self._findings.report("unknown-implementation", f"There is no {what} `{name}`", span, label)
        return None

    def _elsewhere(self, name: str, kind: str) -> str:
        """Says so where another kind has a stage of that name."""
        others = [k for k in KINDS if kind in KINDS and k != kind and name in self.registry.stage_names(k)]
        return f"`{name}` is a {others[0]}" if others else ""

    def _blame(self, name: str, error: PluginError, span: Span) -> None:
        if name not in self._failed:
            self._failed.add(name)
            message = str(error)
            self._findings.report("plugin", message[:1].upper() + message[1:], span, help=error.help)
