"""The list of mistakes while it grows: one place is blamed once, so that no mistake shows up as several."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from constitutional.errors import SpecError
from constitutional.spec.text import Diagnostic, Label, Span, in_order
from constitutional.suggest import nearest

#: So many mistakes in one spec are no mistakes any more: reading stops, whatever the text.
MOST: Final = 200
#: Names among which a suggestion is looked for, at most.
_MOST_NAMES: Final = 1_000


class Findings:
    """Collects diagnostics; a place that has been condemned is not condemned again.

    Adding raises `SpecError`, with all that has been found, when there are `MOST` of them: a text that is made of
    mistakes costs no more than one with many.
    """

    def __init__(self, found: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics: list[Diagnostic] = []
        self._places: set[tuple[int, int, int]] = set()
        for one in found:
            self.add(one)

    def __len__(self) -> int:
        return len(self.diagnostics)

    def add(self, found: Diagnostic) -> None:
        place = _key(found.span)
        if place not in self._places:
            self._places.add(place)
            self.diagnostics.append(found)
            if len(self.diagnostics) >= MOST:
                raise SpecError(in_order(self.diagnostics))

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        secondary: tuple[Label, ...] = (),
        help: str | None = None,
    ) -> None:
        self.add(Diagnostic(code, message, span, label, secondary, help))

    def condemned(self, span: Span) -> bool:
        """Whether something at this very place has been found wrong."""
        return _key(span) in self._places


def _key(span: Span) -> tuple[int, int, int]:
    return id(span.source), span.line, span.column


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A label: the nearest known name, or what there is."""
    names = list(islice(known, _MOST_NAMES))
    guess = guessed(word, names)
    if guess:
        return f"did you mean `{guess}`?"
    return otherwise or listed(names)


def guessed(word: str, known: Iterable[str]) -> str | None:
    """The known name that a word was most likely meant to be; of very many, the first ones are tried."""
    return nearest(word, islice(known, _MOST_NAMES))


def listed(names: Iterable[str], what: str = "there is", limit: int = 12) -> str:
    """`there is: a, b, c`; cut where there are too many; empty where there are none."""
    all_names = list(names)
    if not all_names:
        return ""
    more = f", and {len(all_names) - limit} more" if len(all_names) > limit else ""
    return f"{what}: {', '.join(all_names[:limit])}{more}"
