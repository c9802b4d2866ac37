"""`over-specific`: a principle about one case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from constitutional.api import Constitution, Diagnostic
from constitutional.builtin.lint.rule import ConstitutionRule, place, texts
from constitutional.builtin.lint.words import words

#: Longer texts are hard to weigh as one demand; those of Bai et al. 2022 have fewer than fifty words.
MOST_WORDS: Final = 80
_MONTHS: Final = "January|February|March|April|May|June|July|August|September|October|November|December"
_CASES: Final = (
    (re.compile(r"https?://\S+|\bwww\.\S+"), "an address"),
    (re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}\.\w{1,24}"), "an e-mail address"),
    (re.compile(rf"\b(?:{_MONTHS})\s+\d{{1,4}}\b|\b\d{{1,2}}\.?\s+(?:{_MONTHS})\b|\b\d{{4}}-\d\d-\d\d\b"), "a date"),
    (re.compile(r"[$€£]\s?\d[\d.,]*|(?<![\d,.-])\d[\d,.-]{2,40}\d\b|\b\d{3,}\b"), "a number of one case"),
    (re.compile(r'["“«](?:[^\s"”»]{1,40}\s{1,3}){2,60}[^\s"”»]{1,40}["”»]'), "a wording of one case"),
)


class OverSpecific(ConstitutionRule):
    """A text names a number, a date, an address or a wording of one case, or is longer than eighty words.

    A principle is applied to whatever a row says; what it says of one case is noise in all others, and a policy
    trained on it learns the case.  Broad principles carry far: a single general one can match a constitution in
    harmlessness (Kundu et al. 2023, arXiv 2310.13798), and 15 chosen ones 58 in safety (C3AI, arXiv 2502.15861).
    """

    code = "over-specific"
    fix: ClassVar = "say what holds in every case here, and put the case itself under `examples:`"

    def examine(self, constitution: Constitution) -> Iterable[Diagnostic]:
        for principle in constitution:
            for key, text in texts(constitution, principle):
                cases = [(found, what) for pattern, what in _CASES if (found := pattern.search(text))]
                if cases:
                    found, what = min(cases, key=lambda case: case[0].start())
                    span = place(constitution, principle, key, found)
                    yield self.warn(f"`{principle.id}` names {what} in its {key}", span)
                count = len(words(text))
                if count > MOST_WORDS:
                    message = f"The {key} of `{principle.id}` has {count} words"
                    yield self.warn(message, constitution.at(principle.id, key), fix="split it into several principles")
