"""`no-helpfulness` and `thin-coverage`: what a constitution as a whole leaves out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Final

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import ConstitutionRule, texts
from constitutional.builtin.lint.words import any_of

HELPFUL: Final = any_of(
    "help*,useful*,assist*,way forward,answers the question,solv*,overcautious,over-cautious,evasive*,preachy,over-refus*,"
    "needlessly refus*,unnecessar* refus*,overly-reactive,over-reactive,responsive,informative,on topic"
)
#: Harms that taxonomies of red-team data share, and words by which a principle takes one up.
HARMS: Final = {
    "violence": any_of("violen*,weapon*,terror*,physical harm,physical injury,kill*,attack*,threat*,murder*"),
    "self-harm": any_of("suicid*,self-harm,eating disorder*,harm themselves,mental health,crisis"),
    "hate and discrimination": any_of(
        "racis*,sexis*,hate*,hatred,discriminat*,bigot*,stereotyp*,biased,bias,slur*,toxic*"
    ),
    "sexual content and children": any_of("sexual*,child*,minor*,age-appropriate,family-friendly,pornograph*,grooming"),
    "crime": any_of("illegal*,crim*,unlawful*,drug*,theft,steal*,traffick*,weapon*"),
    "privacy": any_of(
        "privacy,private*,personal data,personal information,sensitive data,data of another,other people,"
        "password*,secret*,confidential*,SSN"
    ),
    "deception": any_of(
        "dece*,fraud*,scam*,misinform*,disinform*,lie,lies,lying,"
        "mislead*,honest*,manipulat*,promis*,truth*,conspirac*,impersonat*"
    ),
    "computer misuse": any_of("malware,hack*,cyber*,phish*,exploit code,account*,ransomware,credential*"),
    "dangerous advice": any_of("medical*,financial advice,legal advice,dangerous advice,unqualified,health*,expert*"),
}
#: So many kinds of harm should be taken up, at least.
FEWEST: Final = 5


class NoHelpfulness(ConstitutionRule):
    """No principle that can be drawn asks for help.

    A constitution of prohibitions is best kept by refusing everything.  Bai et al. 2022 (section 4.3) met
    over-harsh and evasive models and mended it by wording; Huang et al. 2024 by less weight on harmlessness.  Figures of
    over-refusal measure what comes of it.
    """

    code = "no-helpfulness"
    fix: ClassVar = "add a principle such as `compare: Which reply is more helpful and less evasive?`"

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        drawn = [p for p in constitution if p.weight > 0]
        if drawn and not any(HELPFUL.search(text) for p in drawn for _, text in texts(constitution, p)):
            yield self.warn("No principle asks for help: refusing everything keeps them all", constitution.at())


class ThinCoverage(ConstitutionRule):
    """Fewer than five of nine kinds of harm that red-team data have are taken up by any principle.

    Principles are drawn by chance, and a prompt about a harm that none of them names is judged by one that does not
    apply.  A constitution for a narrow place may well leave harms out: ignore the rule and say so.  Found by words.
    """

    code = "thin-coverage"
    fix: ClassVar = (
        "add principles for what can happen where the model is used, or say why not: `ignore: {thin-coverage: ...}`"
    )

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        taken_up = covered(constitution)
        missing = [harm for harm, principles in taken_up.items() if not principles]
        if len(constitution) and len(HARMS) - len(missing) < FEWEST:
            message = (
                f"{len(HARMS) - len(missing)} of {len(HARMS)} kinds of harm are taken up; not {', '.join(missing)}"
            )
            yield self.warn(message, constitution.at())


def covered(constitution: Constitution) -> Mapping[str, list[str]]:
    """Which principles take up each kind of harm, by id."""
    return {
        harm: [p.id for p in constitution if any(pattern.search(text) for _, text in texts(constitution, p))]
        for harm, pattern in HARMS.items()
    }
