"""Lint rules: what the literature says of principles that work, as warnings with a name."""

from constitutional.api import attributes, offered

LINT_RULES = offered(
    __name__,
    "",
    {
        "absolute-compare": "absolute_compare:AbsoluteCompare",
        "over-specific": "over_specific:OverSpecific",
        "outside-knowledge": "outside_knowledge:OutsideKnowledge",
        "mixed-concerns": "mixed_concerns:MixedConcerns",
        "contradiction": "pairs:Contradiction",
        "near-duplicate": "pairs:NearDuplicate",
        "no-helpfulness": "coverage:NoHelpfulness",
        "thin-coverage": "coverage:ThinCoverage",
        "no-examples": "examples:NoExamples",
    },
)
__getattr__ = attributes(__name__, *LINT_RULES)
