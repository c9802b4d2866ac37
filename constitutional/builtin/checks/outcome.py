"""What a check found in a text."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

from pydantic import Field

from constitutional.api import JsonObject, Params

#: Longer texts are not looked at, and the check abstains.
MOST_TEXT = 100_000
TOO_LONG = f"text of more than {MOST_TEXT:,} characters"


class Outcome(NamedTuple):
    """Whether a text passed; None where that could not be found out, with the reason.  `found` is the evidence."""

    passed: bool | None
    why_not: str | None = None
    found: Sequence[JsonObject] = ()


class Check(Params):
    """What every check has."""

    name: str | None = None
    """What the rule is called in votes; left out, the sort of check."""
    principle: str | None = None
    """The id of the principle that the rule stands for; left out, votes carry `rule:NAME`."""
    weight: float = Field(default=1.0, ge=0, le=1e6)
    """How much the rule counts beside principles."""

    async def look(self, text: str) -> Outcome:
        """Look at a text of at most `MOST_TEXT` characters."""
        raise NotImplementedError

    def trouble(self) -> str | None:
        """What keeps the check from working: a sentence for the user."""
        return None


async def looked(check: Check, text: str) -> Outcome:
    """What a check says of any text."""
    if len(text) > MOST_TEXT:
        return Outcome(None, TOO_LONG)
    try:
        return await check.look(text)
    except UnicodeEncodeError:
        return Outcome(None, "lone surrogates, which are no text")


def lacking(module: str, what: str) -> str | None:
    """How to get a library that is not installed."""
    return None if find_spec(module) else f"{what} needs `{module}`: install constitutional[rules]"
