"""What the rules in the box share: they look at constitutions, warn, and know where a word stands."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

from constitutional.api import Constitution, Diagnostic, Label, LintRule, Principle, Span
from constitutional.builtin.lint.words import english

#: The texts of a principle, in the order in which a file writes them.
TEXTS = ("rule", "critique", "revision", "compare")
#: Characters of a text that are looked at: patterns must not take long over what no principle is.
LONGEST = 4_000


class ConstitutionRule(LintRule):
    """A rule over a constitution; `fix` says what to do about a finding."""

    fix: ClassVar[str]
    #: Whether the rule reads English words, and so has nothing to say of other languages.
    reads_english: ClassVar[bool] = True

    def check(self, subject: object) -> Iterable[Diagnostic]:
        if isinstance(subject, Constitution) and (not self.reads_english or _english(subject)):
            yield from self.examine(subject)

    @abstractmethod
    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        """Every place where the constitution breaks the rule."""

    def warn(
        self, message: str, span: Span, label: str = "", secondary: tuple[Label, ...] = (), fix: str | None = None
    ) -> Diagnostic:
        return Diagnostic(self.code, message, span, label, secondary, fix or self.fix, "warning")


def texts(constitution: Constitution, principle: Principle) -> Iterator[tuple[str, str]]:
    """The texts that the file gives for a principle, by key; none of those that are worded from others."""
    for key in TEXTS:
        if constitution.written(principle.id, key):
            yield key, getattr(principle, key)[:LONGEST]


def place(constitution: Constitution, principle: Principle, key: str, found: re.Match[str]) -> Span:
    """Where a match in a text stands, if the text is written in one piece; else where the text begins."""
    whole = constitution.at(principle.id, key)
    line = whole.source.line(whole.line)[whole.column - 1 :]
    said = found.string
    if whole.end_line != whole.line or said not in line[: whole.end_column - whole.column]:
        return whole
    return whole.part(line.index(said) + found.start(), max(1, found.end() - found.start()))


def _english(constitution: Constitution) -> bool:
    return english(" ".join(text for p in constitution for _, text in texts(constitution, p)))
