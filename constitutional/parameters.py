"""Parameters: the typed `with:` of a stage, backend or source.

Each field carries its meaning in the string below it; schema and help pages come from there.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


class Params(BaseModel):
    """Base of all parameters: unknown keys are errors, values do not change, nothing is coerced by surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, validate_default=False,
                              protected_namespaces=())  # fmt: skip

    @classmethod
    def sort(cls) -> str:
        """What this group of parameters is called among others: the one word that its first choice allows."""
        for info in cls.model_fields.values():
            words = get_args(info.annotation) if get_origin(info.annotation) is Literal else ()
            if info.is_required() and len(words) == 1:
                return str(words[0])
        return cls.__name__


def groups(annotation: Any) -> Iterator[type[Params]]:
    """The groups of parameters within a type: `Shot` of `tuple[Shot, ...]`."""
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, Params):
        yield annotation
    for arg in get_args(annotation):
        yield from groups(arg)


class StageParams(Params):
    """Base of a stage's parameters."""


class BackendParams(Params):
    """Base of a backend's parameters."""


class SourceParams(Params):
    """Base of a source's parameters."""


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return (Path(folder) / path).resolve() if folder is not None else path


def _model_name(name: str, info: ValidationInfo) -> str:
    looks_local = name.startswith(("./", "../", "/", "~"))
    return str(_from_folder(Path(name).expanduser(), info)) if looks_local else name


class Existing:
    """Marks a path that must exist before anything runs."""


class Template:
    """Marks the name of a prompt template, or the path of one (`./mine.jinja`)."""


class Cosmetic:
    """Marks a parameter that cannot change what a stage makes: it stays out of the fingerprint."""


#: A path, read relative to the file it is written in; it must exist.  Its content, not its name, is fingerprinted.
SpecPath: TypeAlias = Annotated[Path, AfterValidator(_from_folder), Existing()]
#: A hub name, `builtin:NAME`, or a path that begins with `./`, `../` or `/`.
ModelName: TypeAlias = Annotated[str, AfterValidator(_model_name)]
#: A template's name (`critique/bai2022`, `acme/mine`) or path (`./mine.jinja`).  Its text is fingerprinted.
TemplateName: TypeAlias = Annotated[str, AfterValidator(_model_name), Template()]


def describe() -> None:
    """Give every field of all parameters known so far the string below it as its description.

    Done when somebody asks for descriptions, since reading sources takes longer than a plan.
    """
    waiting: list[type[Params]] = [Params]
    while waiting:
        params = waiting.pop()
        waiting.extend(params.__subclasses__())
        if params in _DESCRIBED:
            continue
        _DESCRIBED.add(params)
        for base in params.__mro__:
            if isinstance(base, type) and issubclass(base, Params):
                for name, said in _strings(base).items():
                    if name in params.model_fields and params.model_fields[name].description is None:
                        params.model_fields[name].description = said
        params.model_rebuild(force=True)


_DESCRIBED: set[type[Params]] = set()


def _strings(params: type[Params]) -> dict[str, str]:
    """The strings below the fields that a class itself declares."""
    try:
        parsed = ast.parse(textwrap.dedent(inspect.getsource(params))).body[0]
    except (OSError, TypeError, SyntaxError):
        return {}
    body = parsed.body if isinstance(parsed, ast.ClassDef) else []
    found = {}
    for field, below in itertools.pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as said)):
                found[name] = inspect.cleandoc(said)
    return found


@cache
def marked(params: type[Params], mark: type) -> tuple[str, ...]:
    """Names of the fields that carry `mark` (`Existing` or `Template`) in their type."""
    return tuple(name for name, info in params.model_fields.items() if any(isinstance(m, mark) for m in info.metadata))
