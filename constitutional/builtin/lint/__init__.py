"""Lint rules: what the literature says of principles that work, as warnings with a name."""

from constitutional.builtin.lint.absolute_compare import AbsoluteCompare
from constitutional.builtin.lint.coverage import NoHelpfulness, ThinCoverage
from constitutional.builtin.lint.examples import NoExamples
from constitutional.builtin.lint.mixed_concerns import MixedConcerns
from constitutional.builtin.lint.outside_knowledge import OutsideKnowledge
from constitutional.builtin.lint.over_specific import OverSpecific
from constitutional.builtin.lint.pairs import Contradiction, NearDuplicate

LINT_RULES = (
    AbsoluteCompare, OverSpecific, OutsideKnowledge, MixedConcerns, Contradiction, NearDuplicate, NoHelpfulness,
    ThinCoverage, NoExamples,
)  # fmt: skip

__all__ = ["LINT_RULES"]
