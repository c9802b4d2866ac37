"""Backends that place another backend: replicas, a queue, a pool.

What decides an answer is the backend inside, so capabilities, label, weights and identity are its own: a run with a
wrapper shares every answer in the journal with a run without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from constitutional.backend import Backend, Capability, Patience
from constitutional.ids import JsonObject
from constitutional.parameters import BackendParams


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A backend inside another: its name in specs, its class and its validated parameters."""

    path: str
    cls: type[Backend]
    params: BackendParams

    def made(self) -> Backend:
        """The backend, not yet opened."""
        return self.cls(self.params)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        plain = core_schema.plain_serializer_function_ser_schema(_plain)
        return core_schema.is_instance_schema(cls, serialization=plain)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "required": ["backend"], "properties": {"backend": {"type": "string"}}}


def _plain(wrapped: Wrapped) -> dict[str, Any]:
    return {"backend": wrapped.path, **wrapped.params.model_dump(mode="json")}


class WrappingParams(BackendParams):
    """Base of the parameters of a backend that places another."""

    of: Wrapped
    """The model to place: `{backend: transformers, model: ...}`, as it would stand under `models`."""


class WrappingBackend(Backend):
    """Base of a backend that places another one.

    The check reads `of` as it reads any model, so mistakes in it are found at their place.  A subclass writes `open`,
    `generate`, `choose`, `weigh` and `close`, and changes no answer.
    """

    Params: ClassVar[type[WrappingParams]] = WrappingParams
    #: Of no meaning here: the check looks at the backend inside.
    gives: ClassVar[Capability] = Capability(0)
    params: WrappingParams

    @property
    def price(self) -> tuple[float, float] | None:
        return self.params.of.made().price

    @property
    def patience(self) -> Patience:
        return self.params.of.made().patience

    def identity(self) -> JsonObject:
        return self.params.of.made().identity()

    @classmethod
    def label(cls, params: BackendParams) -> str:
        inside = _inside(params)
        return inside.cls.label(inside.params)

    @classmethod
    def weights(cls, params: BackendParams) -> str | None:
        inside = _inside(params)
        return inside.cls.weights(inside.params)

    @classmethod
    def trained(cls, params: BackendParams, folder: Path) -> BackendParams:
        inside = _inside(params)
        served = Wrapped(inside.path, inside.cls, inside.cls.trained(inside.params, folder))
        return params.model_copy(update={"of": served})


def essence(path: str, cls: type[Backend], params: BackendParams) -> Wrapped:
    """What decides a model's answers: the backend itself, or the innermost of those that it places."""
    found = Wrapped(path, cls, params)
    while issubclass(found.cls, WrappingBackend):
        found = _inside(found.params)
    return found


def _inside(params: BackendParams) -> Wrapped:
    assert isinstance(params, WrappingParams)
    return params.of
