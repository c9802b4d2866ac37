"""What a reviser says *about* its text instead of in it: "Sure, here is a revised response:" and the like.

Only announcements of a new text go; "Sure, here's how to reset your password:" is an answer and stays.
"""

from __future__ import annotations

import re

_EAGER = r"(?:(?:sure|of course|certainly|absolutely|okay|ok|yes|understood|got it)\b[\s,.!:-]*(?:thing\b[\s,.!:-]*)?)?"
_HERE = r"(?:here(?:['’]s| is| are)|this is|below is|(?:please )?find below)\s+"
_NEW = r"(?:revised|rewritten|re-written|reworded|improved|updated|corrected|modified|edited|safer|alternative|new)"
_TEXT = r"(?:response|reply|answer)"
_VERSION = rf"(?:version|draft|revision|rewrite)(?:\s+of\s+(?:the|my|that|this|your)\s+(?:\w+\s+)?{_TEXT})?(?!\s+of\b)"
_NOUN = rf"(?:{_NEW},?\s+(?:\w+\s+){{0,2}}?(?:{_TEXT}|{_VERSION})|revision|rewrite|{_VERSION}(?=\s*:)|{_TEXT}(?=\s*:))"
#: What may follow the noun before the announcement ends: with a colon, or with the line.
_REST = r"[^\n:]{0,120}?(?::|\.?[ \t]*\n)\s*"

_ANNOUNCEMENT = re.compile(rf"\A\s*{_EAGER}{_HERE}(?:(?:a|an|the|my|one)\s+)?{_NOUN}{_REST}", re.IGNORECASE)
_HEADING = re.compile(rf"\A\s*[*#_\s]*(?:{_NEW}\s+{_TEXT}|revision|rewrite)\s*:[*_]*\s*", re.IGNORECASE)
_ROLE = re.compile(r"\A\s*(?:assistant|agent)\s*:\s+", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "«": "»", "'": "'", "‘": "’"}


def without_leaks(text: str) -> str:
    """The text without announcements before it, quotes around it, and outer space."""
    cleaned = text.strip()
    while (shorter := _once(cleaned)) != cleaned:
        cleaned = shorter
    return cleaned


def _once(text: str) -> str:
    for leak in (_ANNOUNCEMENT, _HEADING, _ROLE):
        text = leak.sub("", text, count=1)
    return _unquoted(text.strip())


def _unquoted(text: str) -> str:
    """The text without one pair of quotes around the whole of it."""
    closing = _QUOTES.get(text[:1])
    if closing is None or len(text) < 2 or not text.endswith(closing):
        return text
    inner = text[1:-1]
    return text if text[0] in inner or closing in inner else inner.strip()
