"""What pydantic says, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: pydantic's type of error -> our words; `{name}` takes a value of its context.
_WORDS: Final[Mapping[str, str]] = {
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "string_sub_type": "must be a text",
    "path_type": "must be a path",
    "none_required": "must be null",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "dataclass_type": "must be a mapping",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "too_short": "must have at least {min_length} items, not {actual_length}",
    "too_long": "must have at most {max_length} items, not {actual_length}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "union_tag_invalid": "must be {expected_tags}",
    "union_tag_not_found": "needs {discriminator}",
    "missing": "is missing",
    "extra_forbidden": "is not known",
}


def expected(error: Mapping[str, Any]) -> str:
    """What one error of pydantic asks for, as the end of a sentence that begins with the field's name."""
    kind, context = str(error["type"]), dict(error.get("ctx") or {})
    if kind in ("literal_error", "enum"):
        return f"must be {context.get('expected', 'another value')}"
    if kind in ("value_error", "assertion_error"):
        said = str(context.get("error") or error["msg"])
        return said if said else "is not allowed"
    context = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
    if kind in _WORDS:
        return _WORDS[kind].format_map(_Known(context))
    return f"is not right: {error['msg']}"


class _Known(dict[str, Any]):
    """A context that leaves out what it has not."""

    def __missing__(self, key: str) -> str:
        return "?"
