"""A model named on the command line: `--judge builtin:support-agent`, or as in `models:` of a spec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from constitutional.backend import Backend
from constitutional.diagnostic import Source, Span
from constitutional.errors import SpecError
from constitutional.parameters import BackendParams
from constitutional.plugins import Registered, Registry
from constitutional.spec import shape
from constitutional.spec.findings import Findings
from constitutional.spec.installed import Installed
from constitutional.spec.params import Written, validated
from constitutional.spec.yamltree import Entry, MapNode, Node, Scalar, parse

#: The backend of a model that is named by nothing but its name.
DEFAULT_BACKEND: Final = "transformers"
_FORM: Final = "{backend: openai, model: NAME, base_url_env: VARIABLE}"


def read_judge(said: str, registry: Registry, option: str = "--judge") -> tuple[Registered[Backend], BackendParams]:
    """The backend and parameters that an option names.

    Raises:
        SpecError: with every mistake, placed in the option's text.
    """
    findings = Findings()
    source = Source(option, said, Path.cwd())
    tree, found = parse(source)
    for one in found:
        findings.add(one)
    node = None if tree is None or found else _as_mapping(tree, option, findings)
    made = None if node is None else _configured(node, option, registry, findings)
    if made is None:
        raise SpecError(findings.diagnostics)
    return made


def _as_mapping(tree: Node, option: str, findings: Findings) -> MapNode | None:
    if isinstance(tree, Scalar) and isinstance(tree.value, str) and tree.value.strip():
        named = [("backend", Scalar(tree.span, DEFAULT_BACKEND, DEFAULT_BACKEND)), ("model", tree)]
        return MapNode(tree.span, tuple(Entry(Scalar(tree.span, key, key), value) for key, value in named))
    node = shape.mapping(tree, f"`{option}`", findings, f"write the name of a model, or {_FORM}")
    complete = node is not None and shape.need_keys(node, {"backend": _FORM}, f"`{option}`", node.span, findings)
    return node if complete else None


def _configured(
    node: MapNode, option: str, registry: Registry, findings: Findings
) -> tuple[Registered[Backend], BackendParams] | None:
    written, name = node.get("backend"), shape.text_at(node, "backend", findings)
    if written is None or name is None:
        return None
    backend = Installed(registry, findings).backend(name, written.span)
    if backend is None:
        return None
    rest = MapNode(node.span, tuple(entry for entry in node.entries if entry.name != "backend"))
    params = validated(backend.cls.Params, _written(rest, name, node.span, option), os.environ, findings)
    return None if params is None else (backend, params)


def _written(node: MapNode, backend: str, span: Span, option: str) -> Written:
    return Written(node, f"backend `{backend}`", span, f"{option} '{{backend: {backend}, %s: ...}}'")
