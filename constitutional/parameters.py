"""Parameters: the typed `with:` of a stage, backend or source.

Each field carries its meaning in `Field(description=...)`; schema, help pages and error messages come from there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo


class Params(BaseModel):
    """Base of all parameters: unknown keys are errors, values do not change, nothing is coerced by surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, validate_default=False,
                              use_attribute_docstrings=True, protected_namespaces=())  # fmt: skip


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


def marked(params: type[Params], mark: type) -> tuple[str, ...]:
    """Names of the fields that carry `mark` (`Existing` or `Template`) in their type."""
    return tuple(name for name, info in params.model_fields.items() if any(isinstance(m, mark) for m in info.metadata))
