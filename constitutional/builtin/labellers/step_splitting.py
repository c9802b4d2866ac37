"""Where the steps of a reply begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_BLANK = re.compile(r"\n[ \t]*\n\s*")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


def steps_of(text: str, separator: str | None) -> tuple[str, ...]:
    """The steps of a text, without outer space and none empty; fenced code stays in one step.

    Without a separator, steps are paragraphs, or lines where there is but one paragraph.
    """
    if separator is not None:
        return _steps(text.split(separator), separator)
    text = text.replace("\r\n", "\n")
    paragraphs = _steps(_BLANK.split(text), "\n\n")
    return paragraphs if len(paragraphs) > 1 else _steps(text.split("\n"), "\n")


def _steps(pieces: Iterable[str], glue: str) -> tuple[str, ...]:
    return tuple(step.strip() for step in _unbroken(pieces, glue) if step.strip())


def _unbroken(pieces: Iterable[str], glue: str) -> Iterator[str]:
    """Pieces, those put together again that a fence holds open; one that never closes is no fence."""
    waiting: list[str] = []
    fences = 0
    for piece in pieces:
        waiting.append(piece)
        fences += len(_FENCE.findall(piece))
        if fences % 2 == 0:
            yield glue.join(waiting)
            waiting, fences = [], 0
    yield from waiting
