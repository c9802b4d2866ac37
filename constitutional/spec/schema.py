"""Registry -> JSON Schema draft-07, for editors: what may be written, with each implementation's own `with`.

Always generated, never kept by hand.  A stage is described once by `if` its kind has this value `then` these inputs and
parameters, which is the form that yaml-language-server completes best: kinds first, then names, inputs and parameters.
References cannot be expressed; `constitutional check` sees to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from constitutional.parameters import describe
from constitutional.spec.read import VERSION
from constitutional.spec.stages import KINDS

if TYPE_CHECKING:
    from constitutional.parameters import Params
    from constitutional.plugins import Registry

Schema: TypeAlias = dict[str, Any]

_NAME: Final = "^[a-z][a-z0-9_]*$"
_REF: Final = {"type": "string", "pattern": r"^[a-z][a-z0-9_]*(\[[^\[\]]+\])?(\.[a-z0-9_-]+)*$"}
_LIST: Final = {"type": "array", "items": _REF, "minItems": 1}
_LABELS: Final = {"type": "object", "additionalProperties": _REF, "minProperties": 1}
_ENV: Final = {"type": "string", "pattern": r"^\$\{env:[A-Za-z_][A-Za-z0-9_]*\}$"}
_ABOUT: Final = {"type": "string", "description": "A sentence for people."}
_MATRIX: Final = {
    "type": "object",
    "additionalProperties": {"type": "array", "minItems": 1},
    "description": "Paths, each with the values to try; every combination is made.",
}
_BOUNDS: Final = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
}
_REQUIRE: Final = {
    "type": "object",
    "additionalProperties": _BOUNDS,
    "description": "Figures and their bounds; where one does not hold, the run exits with 1.",
}


def schema(registry: Registry, limits: type[Params] | None = None) -> Schema:
    """The schema of a spec with what the registry has loaded; `limits` is the model of the key `limits`."""
    definitions: Schema = {}
    stage = _stage(registry, definitions)
    made: Schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "constitutional spec",
        "type": "object",
        "additionalProperties": False,
        "required": ["constitutional"],
        "properties": {
            "constitutional": {"const": VERSION, "description": "The version of the format."},
            "name": {"type": "string", "description": "What the run is called."},
            "about": _ABOUT,
            "seed": {"type": "integer", "minimum": 0, "description": "Decides every random choice."},
            "extends": {"type": "string", "description": "Another spec, which this one changes."},
            "plugins": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Plugins to load: names of installed ones, or files (`./mine.py`).",
            },
            "constitution": {"type": "string", "description": "The constitution's file, relative to this one."},
            "models": _named(_backends(registry, definitions), "Configured models, by name."),
            "data": _named(_sources(registry, definitions), "Data sets, by name."),
            "stages": _named(stage, "What is done, by name; order is for the reader."),
            "matrix": _MATRIX,
            **_limits(limits, definitions),
            "executor": _executors(registry, definitions),
        },
        "definitions": definitions,
    }
    return made


def _named(value: Schema, about: str) -> Schema:
    return {"type": "object", "description": about, "patternProperties": {_NAME: value}, "additionalProperties": False}


# -- stages ----------------------------------------------------------------------------------------------------------


def _stage(registry: Registry, definitions: Schema) -> Schema:
    """A stage or a group: the kinds as keys, then one case for each implementation."""
    kinds = {kind: list(registry.stage_names(kind)) for kind in KINDS}
    cases = [_stage_case(registry, kind, name, definitions) for kind, names in kinds.items() for name in names]
    bare = {"type": "object", "properties": _kind_keys(kinds), "allOf": cases}
    definitions["stage"] = bare
    group = {
        "additionalProperties": False,
        "required": ["repeat", "from", "stages"],
        "properties": {
            "repeat": {"type": "integer", "minimum": 1, "description": "How many rounds."},
            "from": {**_REF, "description": "What round 1 reads as `previous`."},
            "stages": _named({"$ref": "#/definitions/stage"}, "The stages of one round."),
            "result": {**_REF, "description": "The stage whose output goes on, where there are several ends."},
            "about": _ABOUT,
        },
    }
    properties = {**_kind_keys(kinds), "repeat": {"type": "integer", "minimum": 1}}
    repeats = {"if": {"required": ["repeat"]}, "then": group}
    says_nothing = {"not": {"anyOf": [{"required": [key]} for key in (*KINDS, "repeat")]}}
    lost = {"if": says_nothing, "then": {"required": ["generator"]}}
    return {"type": "object", "properties": properties, "allOf": [repeats, lost, {"$ref": "#/definitions/stage"}]}


def _kind_keys(kinds: Mapping[str, list[str]]) -> Schema:
    return {kind: {"type": "string", "enum": names} for kind, names in kinds.items() if names}


def _stage_case(registry: Registry, kind: str, name: str, definitions: Schema) -> Schema:
    cls = registry.stage(kind, name).cls
    ports = {port: _port(one.many, one.labelled, one.about) for port, one in cls.takes.items()}
    asked = {port: _port(False, ask.labelled, "The model to ask.") for port, ask in cls.asks.items()}
    needed = [port for port in {**asked, **ports} if port not in cls.takes or not cls.takes[port].optional]
    either = {ask.instead_of: port for port, ask in cls.asks.items() if ask.instead_of is not None}
    needed = [port for port in needed if port not in either and port not in either.values()]
    params, some_needed = _params(cls.Params, f"{kind}/{name}", definitions)
    then = {
        "additionalProperties": False,
        "required": [*needed, *(["with"] if some_needed else [])],
        "properties": {
            kind: {"const": name, "description": _about(cls)},
            **asked,
            **ports,
            "with": params,
            "require": _REQUIRE,
            "about": _ABOUT,
            "matrix": _MATRIX,
        },
    }
    if either:
        then["allOf"] = [{"oneOf": [{"required": [one]}, {"required": [other]}]} for one, other in either.items()]
    return _case(kind, name, then)


def _port(many: bool, labelled: bool, about: str) -> Schema:
    form: Schema = dict(_LABELS) if labelled else {"anyOf": [_REF, _LIST]} if many else dict(_REF)
    return {**form, "description": about} if about else form


def _case(key: str, name: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


# -- models, data, executor, limits ----------------------------------------------------------------------------------


def _backends(registry: Registry, definitions: Schema) -> Schema:
    classes = {name: registry.backend(name).cls for name in registry.backend_names()}
    return _configured("backend", classes, {"about": _ABOUT}, definitions)


def _sources(registry: Registry, definitions: Schema) -> Schema:
    classes = {name: registry.source(name).cls for name in registry.source_names()}
    records = {"enum": sorted(registry.records()), "description": "The record that the rows are read as."}
    return _configured("source", classes, {"about": _ABOUT, "records": records}, definitions)


def _executors(registry: Registry, definitions: Schema) -> Schema:
    classes = {name: registry.executor(name).cls for name in registry.executor_names()}
    return {**_configured("use", classes, {}, definitions), "description": "Where whole stages run."}


def _configured(key: str, classes: Mapping[str, Any], more: Schema, definitions: Schema) -> Schema:
    """A mapping whose `key` names an implementation, and whose other keys are that one's parameters."""
    cases = [_case(key, name, _flat(key, name, cls, more, definitions)) for name, cls in classes.items()]
    said = {"type": "string", "enum": sorted(classes)} if classes else {"type": "string"}
    return {"type": "object", "required": [key], "properties": {key: said}, "allOf": cases}


def _flat(key: str, name: str, cls: Any, more: Schema, definitions: Schema) -> Schema:
    params = _converted(cls.Params, f"{key}/{name}", definitions)
    head = {key: {"const": name, "description": _about(cls)}}
    properties = {**head, **params.get("properties", {}), **more}
    return {"additionalProperties": False, "required": params.get("required", []), "properties": properties}


def _limits(limits: type[Params] | None, definitions: Schema) -> Schema:
    """`limits`, and `budget`, which is one of them and stands beside it."""
    if limits is None:
        return {"limits": {"type": "object"}, "budget": {"type": "object"}}
    made = _params(limits, "limits", definitions)[0]
    budget = made["properties"].pop("budget", {"type": "object"})
    return {"limits": made, "budget": budget}


# -- parameters ------------------------------------------------------------------------------------------------------


def _params(model: type[Params], name: str, definitions: Schema) -> tuple[Schema, bool]:
    """The schema of one `with`, and whether something in it must be written."""
    made = _converted(model, name, definitions)
    return {**made, "description": made.get("description", f"Parameters of {name}.")}, bool(made.get("required"))


def _converted(model: type[Params], name: str, definitions: Schema) -> Schema:
    """pydantic's schema (2020-12) in the words of draft-07; its `$defs` move to `definitions`."""
    describe()
    found = model.model_json_schema()
    prefix = f"{name}/"
    for inner, value in found.pop("$defs", {}).items():
        definitions[prefix + inner] = _draft7(value, prefix)
    made: Schema = _draft7(found, prefix)
    made.pop("title", None)
    made["properties"] = {key: _or_env(value) for key, value in made.get("properties", {}).items()}
    return made


def _draft7(value: Any, prefix: str) -> Any:
    if isinstance(value, list):
        return [_draft7(item, prefix) for item in value]
    if not isinstance(value, dict):
        return value
    made = {key: _draft7(inner, prefix) for key, inner in value.items() if key != "title" or not isinstance(inner, str)}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = made["$ref"].replace("#/$defs/", "#/definitions/" + prefix.replace("/", "~1"))
    if "prefixItems" in made:
        made["items"] = made.pop("prefixItems")
        made["additionalItems"] = False
    return made


def _or_env(value: Schema) -> Schema:
    """A number or truth value may also come from the environment."""
    if value.get("type") not in ("number", "integer", "boolean"):
        return value
    kept: Schema = {key: value[key] for key in ("description", "default") if key in value}
    return {"anyOf": [{key: inner for key, inner in value.items() if key not in kept}, _ENV], **kept}


def _about(cls: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


def modeline(path: str = ".constitutional/schema.json") -> str:
    """The comment that tells an editor where the schema is."""
    return f"# yaml-language-server: $schema={path}"
