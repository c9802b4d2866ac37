"""Parameters: what is written under `with` -> an implementation's own `Params`, or mistakes with their places.

pydantic decides; its `loc` is walked down the tree to the place in the file, and its words are replaced by ours.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from constitutional.spec.findings import MOST, Findings, did_you_mean, guessed, listed
from constitutional.spec.shape import ENV
from constitutional.spec.text import Span
from constitutional.spec.wording import expected
from constitutional.spec.yamltree import ListNode, MapNode, Node, Scalar
from constitutional.suggest import nearest

if TYPE_CHECKING:
    from constitutional.parameters import Params

P = TypeVar("P", bound="Params")
#: An error of pydantic, with the place that it is about.
_Located: TypeAlias = "tuple[Node | None, Span, Any]"
#: Files of a folder among which a misspelt one is looked for.
_MOST_FILES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Written:
    """Parameters as they stand in a spec: the tree, who takes them, and where to point when something is missing."""

    node: MapNode | None
    #: `trainer `dpo``, for messages.
    owner: str
    #: The name of the stage, model or data set.
    span: Span
    #: How a parameter is written, in hints: `with: {%s: ...}`.
    form: str = "with: {%s: ...}"


def validated(
    model: type[P],
    written: Written,
    environ: Mapping[str, str],
    findings: Findings,
    given: Mapping[str, Any] | None = None,
) -> P | None:
    """The parameters, or None for what has been reported; `given` are values that have been made of their nodes."""
    from pydantic import ValidationError

    before = len(findings)
    values = {} if written.node is None else _values(model, written.node, environ, findings)
    if len(findings) > before:
        return None
    folder = written.node.span.source.folder if written.node is not None else written.span.source.folder
    try:
        params = model.model_validate({**values, **(given or {})}, context={"folder": folder})
    except ValidationError as error:
        _report(model, written, error.errors(include_url=False)[:MOST], findings)
        return None
    except (OSError, RuntimeError) as error:
        place = written.span if written.node is None else written.node.span
        findings.report("parameter", f"A path of {written.owner} cannot be used: {error}", place)
        return None
    if written.node is not None:
        _check_files(params, written.node, findings)
        _check_env_keys(params, written.node, environ, findings)
    return params if len(findings) == before else None


# -- values ----------------------------------------------------------------------------------------------------------


def _values(model: type[Params], node: MapNode, environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """Plain values, environment variables looked up, and paths of other files made absolute."""
    folder = node.span.source.folder
    found = {}
    for entry in node.entries:
        value = resolved(entry.value, environ, findings)
        info = model.model_fields.get(entry.name)
        if info is not None and entry.value.span.source.folder != folder and is_path(info, value):
            value = _elsewhere(entry.value, value)
        found[entry.name] = value
    return found


def resolved(node: Node, environ: Mapping[str, str], findings: Findings) -> Any:
    """The plain value of a node with every `${env:NAME}` looked up; variables that are not set are reported."""
    if isinstance(node, ListNode):
        return [resolved(item, environ, findings) for item in node.items]
    if isinstance(node, MapNode):
        return {entry.name: resolved(entry.value, environ, findings) for entry in node.entries}
    found = ENV.fullmatch(node.value) if isinstance(node.value, str) else None
    if found is None:
        return node.value
    if found[1] not in environ:
        _missing_env(found[1], node.span, findings)
    return environ.get(found[1], "")


def is_path(info: Any, value: object) -> bool:
    """Whether a field's value is read relative to the file it is written in."""
    from constitutional.parameters import Existing, Template

    if not isinstance(value, str):
        return False
    marks = list(_metadata(info))
    if any(isinstance(mark, Existing) for mark in marks):
        return True
    names = any(isinstance(mark, Template) or _resolves(mark) for mark in marks)
    return names and value.startswith(("./", "../"))


def _resolves(mark: object) -> bool:
    function = getattr(mark, "func", None)
    return getattr(function, "__module__", "") == "constitutional.parameters"


def _elsewhere(node: Node, value: str) -> str:
    return str((node.span.source.folder / value).absolute())


def _metadata(info: Any) -> Iterator[object]:
    """Everything that `Annotated` says about a field, also inside `X | None` and lists."""
    yield from info.metadata
    waiting = [info.annotation]
    while waiting:
        at = waiting.pop()
        if typing.get_origin(at) is typing.Annotated:
            yield from at.__metadata__
        waiting += [arg for arg in typing.get_args(at) if not isinstance(arg, str)]


# -- what pydantic says ----------------------------------------------------------------------------------------------


def _report(model: type[Params], written: Written, errors: Sequence[Any], findings: Findings) -> None:
    missing = [str(e["loc"][0]) for e in errors if e["type"] == "missing" and len(e["loc"]) == 1]
    if missing:
        names = " and ".join(f"`{name}`" for name in missing)
        example = written.form % missing[0]
        findings.report("missing-parameter", f"{written.owner} needs {names}", written.span, help=f"write `{example}`")
    by_place: dict[tuple[int, int], list[_Located]] = {}
    for node, span, error in _deepest(_located(written, errors)):
        by_place.setdefault((span.line, span.column), []).append((node, span, error))
    for group in by_place.values():
        _report_place(model, written, group, findings)


def _located(written: Written, errors: Sequence[Any]) -> Iterator[_Located]:
    """Errors with their places; top-level parameters that are missing have none."""
    for error in errors:
        if error["type"] == "missing" and len(error["loc"]) == 1:
            continue
        if error["type"] == "union_tag_invalid":  # what is wrong is the word that says which sort it is
            error["loc"] = (*error["loc"], str(error["ctx"]["discriminator"]).strip("'"))
        yield *_locate(written, error["loc"], error["type"] == "extra_forbidden"), error


def _deepest(located: Iterable[_Located]) -> list[_Located]:
    """Without what the other members of a union say of a value of which one member could say more."""
    found = list(located)
    return [(node, span, error) for node, span, error in found
            if not error["type"].endswith("_type") or not any(_within(other, span) for _, other, _ in found)]  # fmt: skip


def _within(inner: Span, outer: Span) -> bool:
    """Whether a place is a part of another."""
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    ends = (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    return begins and ends and inner != outer


def _report_place(
    model: type[Params], written: Written, group: list[tuple[Node | None, Span, Any]], findings: Findings
) -> None:
    """One mistake for all that pydantic says about one place: a union says one thing for each of its members."""
    node, span, error = group[0]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        _unknown(model, written, name, span, error["loc"], findings)
        return
    said = list(dict.fromkeys(expected(e) for _, _, e in group))
    shown = f"`{_field(written, error['loc'])}`" if error["loc"] else "This"
    if error["type"] == "missing":
        shown, said = shown[:-1] + f".{name}`", ["is missing"]
    label = _label(node, [e for _, _, e in group])
    findings.report("parameter", f"{shown} {_either(said)}", span, label)


def _unknown(
    model: type[Params], written: Written, name: str, span: Span, loc: Sequence[Any], findings: Findings
) -> None:
    known = names_at(model, loc[:-1])
    label = did_you_mean(name, known, listed(known, "it has") or "it has none")
    # `budget` is read as one of the limits and stands beside them.
    owner = "`budget`" if written.owner == "`limits`" and loc[0] == "budget" and len(loc) > 1 else written.owner
    findings.report("unknown-parameter", f"{owner} has no parameter `{name}`", span, label)


def names_at(model: type[Params], loc: Sequence[str | int]) -> list[str]:
    """What may be written at a place of parameters that hold others, as files write it; a path may hold union tags."""
    from constitutional.parameters import groups

    at: list[Any] = [model]
    for segment in loc:
        fields = [info for one in at for name, info in one.model_fields.items() if segment in (name, info.alias)]
        inner = [group for info in fields for group in groups(info.annotation)]
        at = inner or [one for one in at if segment in (one.__name__, one.sort())] or at
    return list(dict.fromkeys(info.alias or name for one in at for name, info in one.model_fields.items()))


def _locate(written: Written, loc: Sequence[str | int], key: bool) -> tuple[Node | None, Span]:
    """The deepest node that a path of pydantic leads to; segments that are not in the file are union tags."""
    node: Node | None = written.node
    span = written.span if node is None else node.span
    for segment in loc:
        if isinstance(node, MapNode) and (entry := node.entry(str(segment))) is not None:
            node, span = entry.value, entry.key.span if key and segment == loc[-1] else entry.value.span
        elif isinstance(node, ListNode) and isinstance(segment, int) and segment < len(node.items):
            node = node.items[segment]
            span = node.span
    return node, span


def _field(written: Written, loc: Sequence[str | int]) -> str:
    """The name of a field as the file writes it: without union tags."""
    found: list[str] = []
    node: Node | None = written.node
    for segment in loc:
        if isinstance(node, MapNode):
            inner = node.get(str(segment))
            if inner is None:
                continue
            node = inner
            found.append(str(segment))
        elif isinstance(node, ListNode) and isinstance(segment, int):
            node = node.items[segment] if segment < len(node.items) else None
            found.append(str(segment))
    return ".".join(found) or str(loc[0])


def _either(said: list[str]) -> str:
    if len(said) == 1:
        return said[0]
    wants = [words.removeprefix("must be ") for words in said if words.startswith("must be ")]
    return f"must be {', or '.join(wants)}" if wants else said[0]


def _label(node: Node | None, errors: Sequence[Any]) -> str:
    words = [w for e in errors for w in _expected(e).split("'")[1::2]]
    guess = nearest(node.value, words) if isinstance(node, Scalar) and isinstance(node.value, str) else None
    return f"did you mean `{guess}`?" if guess else ""


def _expected(error: Any) -> str:
    context = error.get("ctx") or {}
    return str(context.get("expected") or context.get("expected_tags") or "")


# -- files and environment -------------------------------------------------------------------------------------------


def _check_files(params: Params, node: MapNode, findings: Findings) -> None:
    from constitutional.parameters import Existing

    for name, info in type(params).model_fields.items():
        written = node.get(name)
        if written is None or not any(isinstance(mark, Existing) for mark in _metadata(info)):
            continue
        value = getattr(params, name)
        for path, at in zip(*_paired(value, written), strict=False):
            if isinstance(path, Path) and not exists(path):
                missing_file(path, at, findings)


def _paired(value: object, node: Node) -> tuple[Sequence[object], Sequence[Node]]:
    if isinstance(value, (list, tuple)) and isinstance(node, ListNode):
        return value, node.items
    return [value], [node]


def missing_file(path: Path, node: Node, findings: Findings) -> None:
    """Report a file that is not there, with the nearest one that is."""
    text = node.text if isinstance(node, Scalar) else str(path)
    folder = path.parent
    label = f"there is no folder `{folder.name}` either"
    if exists(folder):
        guess = guessed(path.name, _files(folder))
        label = f"did you mean `{guess}`?" if guess else ""
    help = "paths are relative to the file they are written in"
    findings.report("missing-file", f"There is no file `{text:.200}`", node.span, label, help=help)


def exists(path: Path) -> bool:
    """Whether something is there that can be seen; names that no file can have are not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _files(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in islice(folder.iterdir(), _MOST_FILES))
    except OSError:
        return []


def _check_env_keys(params: Params, node: MapNode, environ: Mapping[str, str], findings: Findings) -> None:
    """Keys that end in `_env` hold the name of a variable; it must be set, and its value is never read here."""
    for name in type(params).model_fields:
        written = node.get(name)
        value = getattr(params, name)
        if name.endswith("_env") and written is not None and isinstance(value, str) and value not in environ:
            _missing_env(value, written.span, findings)


def _missing_env(name: str, span: Span, findings: Findings) -> None:
    message = f"The environment variable `{name}` is not set"
    findings.report("missing-env", message, span, help=f"set it before the run: export {name}=...")
