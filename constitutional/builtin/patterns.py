"""Regular expressions as parameters: what is none is told when the spec is read."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import AfterValidator


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return text


#: A regular expression of Python's.
Pattern: TypeAlias = Annotated[str, AfterValidator(_compiles)]
