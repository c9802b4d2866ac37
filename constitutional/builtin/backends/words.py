"""An answer in words: which option it names, if it clearly names one.

Doubt is no verdict.  "A tie", "A and B are equal", "not A" and "A better answer would be" name nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

#: Words after which a mention is no choice.
_DOUBT = (
    "not|no|neither|nor|never|none|both|either|tie|tied|equal|equally|same|similar|worse|less|unsure|uncertain|unclear|"
    "cannot|depends?|can['’]t|isn['’]t|doesn['’]t|don['’]t|wasn['’]t"
)
_BETTER = r"\s+(?:is|was|seems|looks)\s+(?:\w+ly\s+|much\s+|the\s+)*(?:better|best|preferable|preferred|safer|right|correct)\b"
_CHOICE = r"\b(?:answer|option|reply|response|choice|verdict|choose|pick|prefer|select)\b(?:\s+(?:is|would be))?[\s:*_`\"'(\[]*"
#: What may follow an option that is the answer.
_END = r"(?=\s*(?:$|[)\]}.:,;!*_`\"'\n—–-]|because\b|since\b|as\b|for\b))"
#: Options that are words of their own: "A tie", "no idea".
_WORDS = ("A", "I", "No", "no", "NO")
_OTHERS = r"[)\]}*_`\"'\s.,]*(?:and|or|&|/)"


def named(text: str, options: Sequence[str]) -> int | None:
    """Which option an answer names: the one it begins with, the one it says it chooses, or the only one in it.

    None where it names several, denies one, calls it a tie, or uses the letter A as a word.
    """
    bare = text.strip().lstrip("([{*_`\"' ").strip()
    first = [i for i, option in enumerate(options) if _leads(bare, option, options)]
    if first:
        return max(first, key=lambda i: len(options[i]))
    said = [i for i, option in enumerate(options) if _chosen(text, option, options)]
    if said:
        return said[0] if len(said) == 1 and not _doubts(text, options) else None
    found = [i for i, option in enumerate(options) if re.search(_mention(option), text)]
    return found[0] if len(found) == 1 and not _doubts(text, options) else None


def chosen(text: str, options: Sequence[str]) -> int | None:
    """Which option `{"choice": ...}` names; None where the server did not keep to that form."""
    try:
        said = json.loads(text)["choice"]
    except (ValueError, KeyError, TypeError):
        return None
    found = [at for at, option in enumerate(options) if option.strip() == said]
    return found[0] if len(found) == 1 else None


def _leads(bare: str, option: str, options: Sequence[str]) -> bool:
    """Whether an answer begins with an option as its verdict."""
    begun = re.match(rf"{_said(option)}(?!\w)", bare)
    if begun is None:
        return False
    rest = bare[begun.end() :]
    if any(re.match(rf"{_OTHERS}\W*{_said(other)}(?!\w)", rest) for other in options if other != option):
        return False
    return re.match(_END, rest) is not None or re.match(_BETTER, rest) is not None


def _chosen(text: str, option: str, options: Sequence[str]) -> bool:
    """Whether an answer says that it chooses an option, and no other with it."""
    together = "|".join(rf"{_OTHERS}\W*{_said(other)}(?!\w)" for other in options if other != option) or "(?!)"
    return re.search(rf"(?i:{_CHOICE}){_mention(option)}(?!{together})", text) is not None


def _mention(option: str) -> str:
    """A place where an option stands alone; "A" or "no" before a word in small letters belongs to that word."""
    article = r"(?!\s+(?!(?:is|was|because|since|as|for|over|wins|follows|than|and|or)\b)[a-z])"
    return rf"(?<!\w){_said(option)}(?!\w)" + (article if option.strip() in _WORDS else "")


def _said(option: str) -> str:
    """An option as a pattern: words in any case, single letters as they are."""
    option = option.strip()
    return f"(?i:{re.escape(option)})" if len(option) > 1 else re.escape(option)


def _doubts(text: str, options: Sequence[str]) -> bool:
    own = {word for option in options for word in option.casefold().split()}
    return any(word.casefold() not in own for word in re.findall(rf"\b(?:{_DOUBT})\b", text, re.IGNORECASE))
