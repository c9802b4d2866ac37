"""Bounds on the length of a text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from constitutional.builtin.checks.outcome import Check, Outcome


class LengthCheck(Check):
    """A text that is neither too short nor too long."""

    check: Literal["length"]
    """Bounds on the length."""
    least: int = Field(default=0, ge=0)
    """The fewest characters or words."""
    most: int | None = Field(default=None, ge=0)
    """The most characters or words; no bound where it is left out."""
    unit: Literal["characters", "words"] = "characters"
    """What is counted."""

    async def look(self, text: str) -> Outcome:
        length = len(text) if self.unit == "characters" else len(text.split())
        return Outcome(self.least <= length and (self.most is None or length <= self.most), None, [{self.unit: length}])

    def trouble(self) -> str | None:
        if self.most is None and self.least == 0:
            return "a check of `length` needs `least` or `most`"
        return "`least` is more than `most`" if self.most is not None and self.least > self.most else None
