"""`outside-knowledge`: a principle that cannot be applied with what a judge is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import ConstitutionRule, place, texts

_DOCUMENTS: Final = (
    r"polic(?:y|ies)|guidelines?|guidance|handbook|manual|playbook|code of conduct|knowledge base"
    r"|documentation|standards"
)
_OUTSIDE: Final = re.compile(
    rf"\b(?:our|company|corporate|internal|official|current|latest|relevant|applicable|local|existing)"
    rf"\s+(?:\w+\s+)?(?:{_DOCUMENTS}|laws?|legislation|regulations?|prices?|research|version|events?)\b"
    r"|\bterms (?:of (?:service|use)|and conditions)\b|\bprivacy policy\b"
    r"|\b(?:GDPR|HIPAA|CCPA|COPPA|FERPA|PCI[- ]DSS|SOC ?2|ISO ?\d{3,})\b"
    r"|\b(?:in accordance with|according to) (?:the|our|all|company)\b"
    r"|\b(?:section|article|appendix|chapter|clause) (?:\d+|[A-Z]\b)"
    r"|\bas (?:described|defined|listed|stated|explained) (?:in|above|below|elsewhere)\b|\b(?:see|listed) (?:above|below)\b"
    r"|\b(?:the|any) (?:principles?|rules?) (?:above|below|before)\b"
    r"|\bup[- ]to[- ]date\b|\bas of (?:\d{4}|today|now)\b|\btoday's\b"
    r"|\b(?:verify|check|confirm) (?:that|whether|if)\b.{0,60}\b(?:true|correct|accurate)\b",
    re.IGNORECASE,
)


class OutsideKnowledge(ConstitutionRule):
    """A text appeals to a policy, a law, a document, another principle or today's state of the world.

    Critic, reviser and judge are shown the dialogue, the answers and this one principle, and nothing else: no other
    principle, no document, no date.  What they do not see, they make up.  Say here what the document demands.
    """

    code = "outside-knowledge"
    fix: ClassVar = "say what it demands, in words that can be held against an answer without looking anything up"

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for principle in constitution:
            for key, text in texts(constitution, principle):
                found = _OUTSIDE.search(text)
                if found:
                    span = place(constitution, principle, key, found)
                    yield self.warn(f"`{principle.id}` needs what a judge is not shown", span, "not in the prompt")
