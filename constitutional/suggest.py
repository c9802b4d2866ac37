"""Did you mean: in one place, so that all suggestions are made alike."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was most likely meant to be, or None."""
    from difflib import get_close_matches

    candidates = list(known)
    exact = [name for name in candidates if name.lower().replace("-", "_") == word.lower().replace("-", "_")]
    found = exact or get_close_matches(word, candidates, n=1, cutoff=0.6)
    return found[0] if found else None
