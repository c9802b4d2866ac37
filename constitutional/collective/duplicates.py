"""Statements that say the same in nearly the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from constitutional.errors import UserError

#: Words that turn a sentence round: two statements that differ in them are never the same, however alike they look.
_TURNING: Final = frozenset((
    "not", "no", "never", "nor", "none", "nothing", "nobody", "neither", "without", "unless", "less", "more", "only",
    "avoid", "avoids", "refuse", "refuses", "prevent", "prevents", "stop", "stops", "against",
))  # fmt: skip
#: Forms of "not" inside a verb, with and without the apostrophe.
_NEGATED: Final = re.compile(
    r"\w+n[’']t|cannot|(?:do|does|did|is|are|was|were|wo|would|should|could|ca|must|need)nt", re.I
)
_WORD: Final = re.compile(r"\w+(?:[’']\w+)?")


def turns(text: str) -> tuple[str, ...]:
    """The words of a text that turn it round, sorted; every form of "not" counts as "not"."""
    words = ("not" if _NEGATED.fullmatch(word) else word for word in _WORD.findall(text.lower()))
    return tuple(sorted(word for word in words if word in _TURNING))


def near_duplicates(texts: Sequence[str], likeness: float) -> list[list[int]]:
    """Places of texts that say the same, as clusters of two or more; the first of a cluster leads it.

    Two texts are alike where the cosine of their TF-IDF vectors over runs of three to five characters reaches
    `likeness` and the same words turn them round.  A text joins the first leader that it is like, so that likeness does
    not spread along a chain.  Put the text that should lead first.
    """
    if len(texts) < 2:
        return []
    like = _cosines(texts)
    signs = [turns(text) for text in texts]
    leaders: dict[int, list[int]] = {}
    for place in range(len(texts)):
        leader = next((at for at in leaders if like[place, at] >= likeness and signs[place] == signs[at]), None)
        if leader is None:
            leaders[place] = [place]
        else:
            leaders[leader].append(place)
    return [cluster for cluster in leaders.values() if len(cluster) > 1]


def _cosines(texts: Sequence[str]) -> Any:
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        raise UserError("near-duplicates need scikit-learn", help="pip install 'constitutional[collective]'") from error
    words = [" ".join(re.findall(r"\w+", text.lower().replace("’", "'"))) or "?" for text in texts]
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True).fit_transform(words)
    return np.asarray((vectors @ vectors.T).todense())
