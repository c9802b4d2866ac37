"""Types of parameters in words, and the parameters within parameters."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from constitutional.parameters import Params


def written(annotation: Any) -> str:
    """A type as one would write it, without the bounds and modules that come with it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return written(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(written(arg) for arg in args))
    if annotation is type(None):
        return "None"
    if annotation is Ellipsis:
        return "..."
    if origin is not None:
        return f"{written(origin)}[{', '.join(written(arg) for arg in args)}]"
    return str(getattr(annotation, "__name__", annotation))


def _among_others(annotation: Any, group: type[Params]) -> bool:
    """Whether a type has several of a group: `tuple[Shot, ...]`, and not `Shot | None`."""
    from constitutional.parameters import groups

    if get_origin(annotation) in (tuple, list, dict):
        return group in groups(annotation)
    return any(_among_others(arg, group) for arg in get_args(annotation))


def fields(
    params: type[Params], before: str = "", above: frozenset[type[Params]] = frozenset()
) -> Iterator[tuple[str, FieldInfo]]:
    """All fields by name, those of groups below their own: `shots[].prompt`, `checks[pattern].must`.

    A group that may hold others of its sort, such as a reward of rewards, is written out once.
    """
    from constitutional.parameters import groups

    for name, info in params.model_fields.items():
        yield f"{before}{name}", info
        inner = list(dict.fromkeys(groups(info.annotation)))
        for group in inner:
            mark = group.sort() if len(inner) > 1 else ""
            many = f"[{mark}]" if mark or _among_others(info.annotation, group) else ""
            if group not in above:
                yield from fields(group, f"{before}{name}{many}.", above | frozenset(inner))
