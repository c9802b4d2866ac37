"""Regular expressions that strangers may write: RE2 takes time in proportion to the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from constitutional.builtin.checks.outcome import Check, Outcome, lacking

MOST_MEMORY = 8 * 1024 * 1024
#: Places of a match that are kept as evidence.
MOST_FOUND = 8


class PatternCheck(Check):
    """A regular expression of RE2, which has no look-around and no back-references, and never runs away."""

    check: Literal["pattern"]
    """A regular expression."""
    pattern: str = Field(min_length=1, max_length=4096)
    """What to look for; write `(?i)` before it for any case."""
    must: Literal["match", "not-match"] = "not-match"
    """Whether a good text has it somewhere, or nowhere."""

    async def look(self, text: str) -> Outcome:
        places = places_of(self.pattern, text)
        return Outcome(bool(places) == (self.must == "match"), None, [{"start": a, "end": b} for a, b in places])

    def trouble(self) -> str | None:
        without = lacking("re2", "a pattern")
        if without is not None:
            return without
        try:
            compiled(self.pattern)
        except _error() as error:
            return f"`pattern` is no regular expression of RE2: {said(error)}"
        return None


def places_of(pattern: str, text: str) -> list[tuple[int, int]]:
    """Where a pattern is found, the first places, in characters."""
    made = []
    for match in compiled(pattern).finditer(text):
        made.append(match.span())
        if len(made) == MOST_FOUND:
            break
    return made


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Any:
    """Raises `re2.error` where it is malformed or too large."""
    import re2

    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    return re2.compile(pattern, options)


def _error() -> type[Exception]:
    import re2

    return re2.error  # type: ignore[no-any-return]


def said(error: Exception) -> str:
    """RE2's own words."""
    words = error.args[0] if error.args else ""
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
