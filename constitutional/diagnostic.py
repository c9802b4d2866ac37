"""Where a thing is written, and what is wrong with it.

Lines and columns count from 1, columns in characters; the end of a span is exclusive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, eq=False)
class Source:
    """A text that somebody wrote: a file, or one `--set` of the command line."""

    #: What people see: the path as they typed it, or `--set #1`.
    name: str
    text: str
    #: Paths written in this text are read relative to this folder.
    folder: Path

    @cached_property
    def lines(self) -> list[str]:
        """The text by lines, cut where YAML cuts them."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    def line(self, number: int) -> str:
        """Line `number`, counted from 1; empty where there is none."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def span(self, line: int = 1, column: int = 1, length: int = 1) -> Span:
        """A span on one line."""
        return Span(self, line, column, line, column + length)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a source."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def __repr__(self) -> str:
        return f"<{self}>"

    def part(self, start: int, length: int) -> Span:
        """A piece of a span that lies on one line."""
        return Span(self.source, self.line, self.column + start, self.line, self.column + start + length)


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that explains the first, and what to say there."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: what is wrong, where, and what to do about it."""

    #: One of `constitutional.spec.codes.CODES`, with a page in `docs/errors/`; or the code of a lint rule.
    code: str
    message: str
    span: Span
    #: Said beside the carets.
    label: str = ""
    secondary: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.span}: {self.severity}[{self.code}]: {self.message}"


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Each mistake once, as a reader meets them: by file, then from top to bottom."""
    unique: dict[tuple[str, int, int, str, str], Diagnostic] = {}
    for found in diagnostics:
        place = (found.span.source.name, found.span.line, found.span.column)
        unique.setdefault((*place, found.code, found.message), found)
    return [unique[key] for key in sorted(unique)]
