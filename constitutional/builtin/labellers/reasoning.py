"""Whether a judge's reasoning is one: not cut off, not empty, and not a refusal to judge."""

from __future__ import annotations

import re

from constitutional.api import Completion

TRUNCATED, EMPTY, REFUSED = "reasoning cut off", "empty reasoning", "refused"

#: How a refusal to judge begins; "I cannot say that A is better" is reasoning.
REFUSAL = (
    r"^\W*(?:(?:i['’]?m|i am) (?:really |so |very )?sorry\b|sorry\b|i (?:must )?apologi[sz]e\b"
    r"|(?:as an ai(?: language)?(?: model| assistant)?,? )?i (?:can(?:no|['’])t|can not|won['’]t|will not|am (?:not able|unable) to"
    r"|['’]m (?:not able|unable) to|do(?: not|n['’]t) feel comfortable) ?"
    r"(?:help|assist|comply|answer|judge|compare|evaluate|rate|choose|participate|engage|provide|fulfil|do that|with)\b)"
)


def trouble(said: Completion, refusal: str) -> str | None:
    """Why a text is no reasoning to judge by; None where it is."""
    text = said.text.strip()
    if said.finish_reason == "length":
        return TRUNCATED
    if said.finish_reason == "content_filter":
        return said.finish_reason
    if not text:
        return EMPTY
    return REFUSED if refusal and re.match(refusal, text, re.IGNORECASE) else None
