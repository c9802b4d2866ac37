"""`absolute-compare`: a comparison that names no degree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import LONGEST, ConstitutionRule, place
from constitutional.builtin.lint.words import any_of

_ADJECTIVES = """bold brave brief bright calm clean clear close cold cool deep fair fine firm free full gentle great harsh high humble
    kind large light long loose loud low mild modest nice noble plain polite pure quick quiet rare rich rude safe sane sharp short
    simple slow small smart soft sound sparse steady strict strong subtle sure tight true vague warm weak wide wise"""
_ENDING_IN_Y = """angry clumsy dirty early easy friendly funny gloomy greedy happy healthy heavy holy kindly likely lively lonely
    mighty nasty naughty risky sloppy speedy spicy tidy unfriendly wordy worthy"""


def _degrees() -> str:
    bases = [word.removesuffix("e") for word in _ADJECTIVES.split()] + [
        f"{word.removesuffix('y')}i" for word in _ENDING_IN_Y.split()
    ]
    return ",".join(f"{base}{ending}" for base in bases for ending in ("er", "est"))


DEGREE = any_of(
    f"more,less,fewer,better,worse,best,worst,most,least,rather than,prefer*,similar,further,than,instead of,{_degrees()}"
)
_AS_POSSIBLE = re.compile(
    r"\bas\b.{1,200}?\bas (?:possible|it can)\b|\bto what (?:degree|extent)\b", re.IGNORECASE | re.DOTALL
)
_YES_OR_NO = re.compile(r"\s*(?:is|are|does|do|has|have|did|can|should|was|will)\b", re.IGNORECASE)


class AbsoluteCompare(ConstitutionRule):
    """A `compare` text asks for a yes or no, or for "the reply that ...", and not for more or less of something.

    A judge of pairs reads two answers and must choose.  "Which reply is harmful?" has no answer where both are, or
    neither is; "which reply is less harmful?" always has.  The comparison principles of Bai et al. 2022 (arXiv
    2212.08073) all name a degree, and the Collective Constitution was worded "choose the response that
    most (least) ..." by hand for this reason (Huang et al. 2024, arXiv 2406.07814).
    """

    code = "absolute-compare"
    fix: ClassVar = (
        "ask for a degree, which two answers always differ in: which reply ... more, less, better, most, least?"
    )

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for principle in constitution:
            text = principle.compare[:LONGEST]
            if not constitution.written(principle.id, "compare") or DEGREE.search(text) or _AS_POSSIBLE.search(text):
                continue
            yes_or_no = _YES_OR_NO.match(text)
            what = "asks a question with yes and no for an answer" if yes_or_no else "names no degree"
            start = yes_or_no or re.compile(r"\S+(?:\s+\S+)*").search(text)
            span = (
                constitution.at(principle.id, "compare")
                if start is None
                else place(constitution, principle, "compare", start)
            )
            yield self.warn(f"The comparison of `{principle.id}` {what}", span)
