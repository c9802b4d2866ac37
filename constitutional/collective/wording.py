"""From a statement ("The AI should not say racist things.") to a question that compares two responses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from constitutional.collective.votes import Statement, cleaned

#: Statements about what an AI is to be or do, with the verb that says so.
_SHOULD: Final = re.compile(
    r"(?:an? |the |any |all )?(?:AIs?|A\.I\.|artificial intelligences?|assistants?|chatbots?|models?)(?: systems?| models?)? "
    r"(?P<rest>(?:should|shouldn[’']t|must|mustn[’']t|shall|ought to|has to|have to|needs? to|will|can|cannot|can[’']t)\b.*)",
    re.IGNORECASE | re.DOTALL,
)
#: How a model's comparison must begin.
_OPENING: Final = re.compile(r"(?:which|choose)\b", re.IGNORECASE)
MAX_WORDING: Final = 600


def compare(statement: str) -> str:
    """The statement as a comparison, by template: it keeps the author's words and adds none of its own meaning."""
    text = sentence(statement)
    found = _SHOULD.fullmatch(text.rstrip(".!"))
    if found:
        return f"Which response fits better with an AI that {_lowered(found['rest'])}?"
    return f"Which response follows this better: {text}"


def sentence(text: str) -> str:
    """The text with a capital letter and a full stop."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…", '"', "”")) else f"{text}."


def _lowered(rest: str) -> str:
    verb, space, more = rest.partition(" ")
    singular = {"have": "has", "need": "needs"}.get(verb.lower(), verb.lower())
    return f"{singular}{space}{more}"


def usable(said: str) -> str | None:
    """What a model said, as a comparison; None where it is none.

    It must be one question or instruction that begins with "Which" or "Choose": a model that refuses, explains itself
    or runs on has not worded anything, and the template's wording stays.
    """
    lines = [line.strip().strip('"“”*') for line in said.strip().splitlines() if line.strip()]
    if len(lines) != 1 or not _OPENING.match(lines[0]) or len(lines[0]) > MAX_WORDING:
        return None
    return cleaned(lines[0])


def worded(statements: Sequence[Statement], said: Mapping[int, str] | None = None) -> dict[int, tuple[str, str]]:
    """`{statement: (comparison, who worded it)}`: `model` where what it said is usable, else `template`."""
    found = {}
    for statement in statements:
        by_model = usable(said[statement.id]) if said and statement.id in said else None
        found[statement.id] = (by_model, "model") if by_model else (compare(statement.text), "template")
    return found
