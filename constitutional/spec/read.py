"""Tree -> Spec: structure alone.  Every mistake is collected; nothing is looked up and no file is opened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from constitutional.ids import Json
from constitutional.spec import shape
from constitutional.spec.findings import Findings, guessed
from constitutional.spec.matrix import read_matrix
from constitutional.spec.model import AnyStage, DataSpec, ExecutorSpec, ModelSpec, PathValue, PluginRef, Spec
from constitutional.spec.stages import RESERVED_NAMES, read_stages
from constitutional.spec.text import Source
from constitutional.spec.yamltree import Entry, MapNode, Node, plain

#: The format that this release reads.
VERSION: Final = 1
TOP_KEYS: Final = (
    "constitutional", "name", "about", "seed", "extends", "plugins", "constitution", "models", "data", "stages",
    "matrix", "limits", "budget", "executor",
)  # fmt: skip


def read_spec(tree: Node, path: Path, source: Source, findings: Findings) -> Spec | None:
    """The spec that a merged tree describes; parts that have been reported are left out."""
    top = shape.mapping(tree, "A spec", findings)
    if top is None:
        return None
    if top.entry("principles") is not None and top.entry("stages") is None:
        said = "This is a constitution, not a spec"
        help = "`constitutional lint FILE` checks it; a spec names it under `constitution:`"
        findings.report("wrong-shape", said, top.entries[0].key.span, help=help)
        return None
    shape.only_keys(top, TOP_KEYS, "A spec", findings, _misplaced(top))
    needed = {"constitutional": f"`constitutional: {VERSION}`", "stages": "`stages:` with at least one stage"}
    shape.need_keys(top, needed, "The spec", source.span(), findings)
    return Spec(
        path=path,
        source=source,
        version=_version(top, findings),
        name=shape.text_at(top, "name", findings) or path.stem,
        seed=_seed(top, findings),
        plugins=_plugins(top, findings),
        constitution=_constitution(top, findings),
        models=_models(top, findings),
        data=_data(top, findings),
        stages=_stages(top, findings),
        limits=_limits(top, findings),
        limits_node=_limits_node(top, findings),
        executor=_executor(top, findings),
        matrix=_matrix(top, findings),
        tree=top,
        about=shape.text_at(top, "about", findings) or "",
    )


# -- small top-level keys --------------------------------------------------------------------------------------------


def _misplaced(top: MapNode) -> str | None:
    """A hint for those who leave out `stages:` and write stages at the top."""
    from constitutional.spec.stages import looks_like_stage

    lost = [e.name for e in top.entries if e.name not in TOP_KEYS and looks_like_stage(e.value)]
    return "stages are written under `stages:`" if lost else None


def _version(top: MapNode, findings: Findings) -> int:
    node = top.get("constitutional")
    version = None if node is None else shape.integer(node, "`constitutional`", findings, 1)
    if node is not None and version is not None and version != VERSION:
        message = f"This release reads format {VERSION}, not {version}"
        findings.report("bad-value", message, node.span, help="install a newer release, or write `constitutional: 1`")
    return version or VERSION


def _seed(top: MapNode, findings: Findings) -> int:
    node = top.get("seed")
    return (shape.integer(node, "`seed`", findings, 0) or 0) if node is not None else 0


def _constitution(top: MapNode, findings: Findings) -> PathValue | None:
    node = top.get("constitution")
    text = shape.text_at(top, "constitution", findings)
    if node is None or text is None:
        return None
    return PathValue(text, node.span.source.folder / text, node.span)


def _plugins(top: MapNode, findings: Findings) -> tuple[PluginRef, ...]:
    node = top.get("plugins")
    listed = None if node is None else shape.sequence(node, "`plugins`", findings)
    found = []
    for item in listed.items if listed else ():
        name = shape.text(item, "A plugin", findings)
        if name is not None:
            is_file = name.endswith(".py") or name.startswith(("./", "../", "/"))
            found.append(PluginRef(name, item.span.source.folder / name if is_file else None, item.span))
    return tuple(found)


def _limits(top: MapNode, findings: Findings) -> Mapping[str, Json]:
    node = _limits_node(top, Findings())
    if node is None:
        return {}
    shape.check_env(node, findings)
    return {entry.name: plain(entry.value) for entry in node.entries}


def _limits_node(top: MapNode, findings: Findings) -> MapNode | None:
    """`limits`, with the key `budget` that stands beside it for being looked for there."""
    limits, budget = shape.mapping_at(top, "limits", findings), top.entry("budget")
    if budget is None:
        return limits
    if limits is None:
        return MapNode(budget.value.span, (budget,))
    kept = tuple(entry for entry in limits.entries if entry.name != "budget")
    return MapNode(limits.span, (*kept, budget))


def _executor(top: MapNode, findings: Findings) -> ExecutorSpec | None:
    node = shape.mapping_at(top, "executor", findings)
    if node is None or not shape.need_keys(node, {"use": "`use: local`"}, "`executor`", node.span, findings):
        return None
    use, said = node.get("use"), shape.text_at(node, "use", findings)
    if use is None or said is None:
        return None
    shape.check_env(node, findings)
    params, params_node = _params(node, ("use",))
    return ExecutorSpec(said, use.span, params, params_node)


def _matrix(top: MapNode, findings: Findings) -> Mapping[str, tuple[Node, ...]]:
    node = top.get("matrix")
    return {} if node is None else read_matrix(node, top, findings)


def _stages(top: MapNode, findings: Findings) -> Mapping[str, AnyStage]:
    help = "give each stage a name: `draft: {generator: sample, ...}`"
    node = shape.mapping_at(top, "stages", findings, help)
    if node is None:
        return {}
    if not node.entries:
        findings.report("missing-key", "`stages` is empty", node.span, help="write at least one stage")
    return read_stages(node, findings)


# -- models and data -------------------------------------------------------------------------------------------------


def _models(top: MapNode, findings: Findings) -> Mapping[str, ModelSpec]:
    found = {}
    for entry, node in _configured(top, "models", "backend", "a model", "`backend: transformers`", findings):
        backend, said = node.get("backend"), shape.text_at(node, "backend", findings)
        if backend is not None and said is not None:
            params, params_node = _params(node, ("backend", "about"))
            about = shape.text_at(node, "about", findings) or ""
            found[entry.name] = ModelSpec(entry.name, entry.key.span, said, backend.span, params, params_node, about)
    return found


def _data(top: MapNode, findings: Findings) -> Mapping[str, DataSpec]:
    found = {}
    for entry, node in _configured(top, "data", "source", "a data set", "`source: jsonl`", findings):
        source, records = node.get("source"), node.get("records")
        said = shape.text_at(node, "source", findings)
        if source is not None and said is not None:
            params, params_node = _params(node, ("source", "about", "records"))
            found[entry.name] = DataSpec(
                entry.name, entry.key.span, said, source.span, params, params_node,
                shape.text_at(node, "records", findings) or "prompts", records.span if records else None,
                shape.text_at(node, "about", findings) or "",
            )  # fmt: skip
    return found


def _configured(
    top: MapNode, key: str, kind_key: str, what: str, example: str, findings: Findings
) -> list[tuple[Entry, MapNode]]:
    """The entries of `models` or `data` that are mappings with a legal name and say what they are."""
    node = shape.mapping_at(top, key, findings)
    found = []
    for entry in node.entries if node else ():
        named = shape.name(entry.key, what, findings, RESERVED_NAMES)
        inner = shape.mapping(entry.value, f"`{entry.name}`", findings)
        if named is None or inner is None:
            continue
        shape.check_env(inner, findings)
        if inner.entry(kind_key) is None:
            meant = next((e.key for e in inner.entries if guessed(e.name, [kind_key])), None)
            label = "" if meant is None else f"did you mean `{kind_key}`?"
            message = f"`{entry.name}` does not say its `{kind_key}`"
            findings.report("missing-key", message, (meant or entry.key).span, label, help=f"write {example}")
        found.append((entry, inner))
    return found


def _params(node: MapNode, leave_out: tuple[str, ...]) -> tuple[Mapping[str, Json], MapNode]:
    """What an implementation alone understands: all other keys, plain and with their places."""
    rest = MapNode(node.span, tuple(e for e in node.entries if e.name not in leave_out))
    return {entry.name: plain(entry.value) for entry in rest.entries}, rest
