"""Text that strangers wrote, made fit for a terminal: the one sanitiser, used at the sink."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udfff]"
)


def printable(text: str) -> str:
    """The text with control, bidirectional and zero-width characters shown as `<U+XXXX>`; newlines and tabs stay."""
    return _INVISIBLE.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


def one_line(text: str, width: int = 100) -> str:
    """The text on one line, cut to `width` characters with an ellipsis."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= width else flat[: width - 1] + "…"


def display_width(text: str) -> int:
    """Columns that the text takes in a terminal: wide characters count two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
