"""Forecasts: what a stage says beforehand of its rows and calls, so that a plan can be priced before it runs.

All amounts are ranges.  A stage that says nothing is unknown, which is shown as such and never counted as nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from constitutional.constitution.model import Principle

#: Letters to a token, where nothing better is known: usual for English and for tokenizers of today.
LETTERS_PER_TOKEN = 4
#: From where to where that may be: long words and large vocabularies, or names, numbers and small vocabularies.
MOST_LETTERS, LEAST_LETTERS = 6, 2
#: Tokens that a chat template adds to a question, at most.
CHAT_TOKENS = 32


class Range(NamedTuple):
    """From `low` to `high`, both included; `high` is infinite where nobody knows."""

    low: float
    high: float

    def plus(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float | None = None) -> Range:
        """Each end multiplied; nothing times unknown is nothing."""
        factor = low if high is None else high
        return Range(self.low * low if low else 0.0, self.high * factor if self.high and factor else 0.0)

    def by(self, other: Range) -> Range:
        return self.times(other.low, other.high)

    def most(self, limit: float) -> Range:
        return Range(min(self.low, limit), min(self.high, limit))

    def or_less(self) -> Range:
        """The same with nothing as the lower end."""
        return Range(0.0, self.high)

    @property
    def known(self) -> bool:
        return math.isfinite(self.high)


NOTHING = Range(0.0, 0.0)
UNKNOWN = Range(0.0, math.inf)


def exactly(amount: float) -> Range:
    return Range(float(amount), float(amount))


def up_to(amount: float) -> Range:
    return Range(0.0, float(amount))


def drawn(rows: Range, share: float) -> Range:
    """Rows that a chance of `share` each leaves: within three standard deviations."""
    spread = [3 * math.sqrt(end * share * (1 - share)) if math.isfinite(end) else 0.0 for end in rows]
    return Range(max(0.0, math.floor(rows.low * share - spread[0])), math.ceil(rows.high * share + spread[1])
                 if rows.known else math.inf)  # fmt: skip


def tokens(text: str) -> float:
    """Tokens of a text, about."""
    return len(text) / LETTERS_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are to come: how many, and the mean tokens of a row's prompt and of what was said about it."""

    count: Range = UNKNOWN
    prompt: Range = UNKNOWN
    said: Range = NOTHING
    #: Rows that share one prompt, at most.
    siblings: float = math.inf

    @property
    def text(self) -> Range:
        """Tokens of a whole row."""
        return self.prompt.plus(self.said)


@dataclass(frozen=True, slots=True)
class Asking:
    """Calls to the model of one port: how many in all, the tokens of each question, and how many it may write.

    `writes` is None where only options are weighed.
    """

    port: str
    calls: Range
    reads: Range
    writes: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a stage will make, by output, and ask."""

    rows: Mapping[str, Rows] = field(default_factory=dict)
    asks: Sequence[Asking] = ()


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a stage may look at to forecast: the rows of its ports, its principles and templates, its labels."""

    ports: Mapping[str, Sequence[Rows]]
    principles: Sequence[Principle] = ()
    #: Tokens of each template's own text, by its name.
    templates: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self, port: str) -> Rows:
        """All rows of a port; the tokens span those of its parts."""
        parts = self.ports.get(port, ())
        if not parts:
            return Rows(NOTHING, NOTHING, NOTHING)
        count = NOTHING
        for part in parts:
            count = count.plus(part.count)
        siblings = sum(part.siblings for part in parts)
        return Rows(count, _over([part.prompt for part in parts]), _over([part.said for part in parts]), siblings)

    def principle(self) -> Range:
        """Tokens of one principle's longest text."""
        each = [max(tokens(text) for text in (p.rule, p.critique, p.revision, p.compare)) for p in self.principles]
        return Range(min(each), max(each)) if each else NOTHING


def _over(ranges: Sequence[Range]) -> Range:
    return Range(min(one.low for one in ranges), max(one.high for one in ranges))
