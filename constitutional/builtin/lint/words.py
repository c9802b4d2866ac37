"""Words of principles: enough of English to compare two sentences, and no more."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
#: Share of function words below which a text is taken for another language.
_LEAST_FUNCTION_WORDS = 0.12

_FUNCTION = """a about above all also always an and any anything are as assistant assistant's at be been being below both but by can
    choose compare consider could did do does each either else every everything for from had has have here how if in into
    is it its last like make makes must of on one ones only or other others our please principle reply replies response
    responses answer answers same say says shall should so some still such than that the their them then there these they
    this those to up was way were what when where which while who whom whose will with would you your more most better best
    that's one's"""
_NEGATING = """not never no none neither nor cannot can't don't doesn't without avoid avoids avoiding refuse refuses refusing decline
    declines refrain less least fewer worse worst nobody nothing"""
FUNCTION_WORDS = frozenset(_FUNCTION.split())
#: Words that turn a demand into its opposite.
NEGATIONS = frozenset(_NEGATING.split())
_SUFFIXES = ("ingly", "edly", "fully", "ings", "ness", "ing", "ies", "ied", "ed", "ly", "es", "s", "e", "y")
_SHORTEST_STEM = 3


def words(text: str) -> list[str]:
    """The words, in lower case."""
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def stem(word: str) -> str:
    """A word without its ending, so that `asks`, `asked` and `asking` are one."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM + (suffix == "ly"):
            return word[: -len(suffix)]
    return word


def content(text: str) -> frozenset[str]:
    """The stems of what a text is about: without function words and negations."""
    return frozenset(stem(word) for word in words(text) if word not in FUNCTION_WORDS and word not in NEGATIONS)


def negated(text: str) -> bool:
    """Whether a text demands the opposite of what its content words name."""
    return sum(word in NEGATIONS for word in words(text)) % 2 == 1


def likeness(first: frozenset[str], second: frozenset[str]) -> float:
    """Share of the stems of both that both have (Jaccard 1912); 0 where there are none."""
    return len(first & second) / len(first | second) if first or second else 0.0


def english(text: str) -> bool:
    """Whether a text looks like English: enough of its words are English function words."""
    said = words(text)
    return bool(said) and sum(w in FUNCTION_WORDS or w in NEGATIONS for w in said) >= _LEAST_FUNCTION_WORDS * len(said)


def any_of(listed: str) -> re.Pattern[str]:
    """A pattern that finds one of several words or phrases, `*` standing for any ending."""
    patterns = [re.escape(one.strip()).replace(r"\*", r"\w*").replace(r"\ ", r"\s+") for one in listed.split(",")]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})\b", re.IGNORECASE)
