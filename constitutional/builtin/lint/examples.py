"""`no-examples`: a principle that nothing tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import ConstitutionRule


class NoExamples(ConstitutionRule):
    """A principle that can be drawn has no example.

    Examples are its unit tests: `constitutional test` puts them to a judge in both orders and says which principles the
    judge cannot apply, before a run spends anything on them.  They also tell people what is meant.
    """

    code = "no-examples"
    fix: ClassVar = "add `examples: [{prompt: ..., better: ..., worse: ...}]`; with four or more, an accuracy can be told from chance"
    reads_english = False

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for principle in constitution:
            if principle.weight > 0 and not principle.examples:
                yield self.warn(f"`{principle.id}` has no examples", constitution.at(principle.id))
