"""Models of a spec: each with its backend and parameters, and a model inside a model where one places another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from constitutional.spec import shape
from constitutional.spec.checked import CheckedModel
from constitutional.spec.findings import Findings
from constitutional.spec.installed import Installed
from constitutional.spec.model import Spec
from constitutional.spec.params import Written, validated
from constitutional.spec.text import Span
from constitutional.spec.yamltree import MapNode

if TYPE_CHECKING:
    from constitutional.parameters import BackendParams
    from constitutional.plugins import Registered

#: The parameter of a wrapping backend that holds the model inside.
OF = "of"


class ModelCheck:
    """Looks at the models of one spec."""

    def __init__(self, installed: Installed, environ: Mapping[str, str], findings: Findings) -> None:
        self._installed = installed
        self._environ = environ
        self._findings = findings

    def models(self, spec: Spec) -> dict[str, CheckedModel]:
        """The models whose backend is known and whose parameters are right."""
        found = {}
        for name, model in spec.models.items():
            backend = self._installed.backend(model.backend, model.backend_span)
            if backend is not None:
                form = f"{name}: {{backend: {model.backend}, %s: ...}}"
                params = self._params(backend, model.params_node, model.span, form)
                if params is not None:
                    found[name] = CheckedModel(model, backend, params)
        return found

    def _params(self, backend: Registered[Any], node: MapNode | None, span: Span, form: str) -> BackendParams | None:
        from constitutional.wrapping import WrappingBackend

        owner = f"backend `{backend.path}`"
        if node is None or not issubclass(backend.cls, WrappingBackend) or node.entry(OF) is None:
            made: BackendParams | None = validated(
                backend.cls.Params, Written(node, owner, span, form), self._environ, self._findings
            )
            return made
        inside = self._inside(node)
        if inside is None:
            return None
        written = Written(_without(node, OF), owner, span, form)
        placed: BackendParams | None = validated(
            backend.cls.Params, written, self._environ, self._findings, given={OF: inside}
        )
        return placed

    def _inside(self, outer: MapNode) -> Any:
        from constitutional.wrapping import Wrapped

        entry = outer.entry(OF)
        assert entry is not None
        node = shape.mapping(entry.value, f"`{OF}`", self._findings)
        example = {"backend": "`backend: transformers`"}
        if node is None or not shape.need_keys(node, example, f"`{OF}`", entry.key.span, self._findings):
            return None
        said = node.get("backend")
        assert said is not None
        name = shape.text(said, "`backend`", self._findings)
        backend = None if name is None else self._installed.backend(name, said.span)
        if backend is None:
            return None
        form = f"{OF}: {{backend: {name}, %s: ...}}"
        params = self._params(backend, _without(node, "backend"), entry.key.span, form)
        return None if params is None else Wrapped(backend.path, backend.cls, params)


def _without(node: MapNode, key: str) -> MapNode:
    return MapNode(node.span, tuple(entry for entry in node.entries if entry.name != key))
