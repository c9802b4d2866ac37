"""`mixed-concerns`: style and safety in one principle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import ConstitutionRule, place, texts
from constitutional.builtin.lint.words import any_of

STYLE: Final = any_of(
    "polite*,courteous*,cordial*,friendl*,warm*,cheer*,concis*,brief*,shorter,verbos*,wordy,formal*,informal*,tone,eloquen*,"
    "grammar*,spelling,emoji*,bullet*,markdown,formatt*,headings,well-written,fluent*,enthusias*,humorous*,professional tone,style"
)
SAFETY: Final = any_of(
    "harm,harms,harmful*,harmless*,danger*,unsafe*,illegal*,unlawful*,criminal*,crime*,violen*,toxic*,racis*,sexis*,hate,hateful,"
    "hatred,discriminat*,abus*,weapon*,suicid*,self-harm,unethical*,immoral*,exploit*,malware,fraud*,privacy,password*,secret*"
)


class MixedConcerns(ConstitutionRule):
    """One text demands a style and forbids a harm.

    A judge gives one preference for two things that can point apart: the polite harmful answer and the curt harmless
    one.  What wins is not known, and a policy can earn the reward by style alone, which is what over-trained models do
    with their boilerplate (Bai et al. 2022, section 4.3).  Two principles, with weights or groups of their own, say
    which matters more and are counted apart.
    """

    code = "mixed-concerns"
    fix: ClassVar = (
        "make two principles of it, one for what is said and one for how; groups can give them weight and priority"
    )

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for principle in constitution:
            for key, text in texts(constitution, principle):
                style, safety = STYLE.search(text), SAFETY.search(text)
                if style and safety:
                    span = place(constitution, principle, key, style)
                    message = f"The {key} of `{principle.id}` mixes style (`{style[0]}`) with safety (`{safety[0]}`)"
                    yield self.warn(message, span, "style")
                    break
