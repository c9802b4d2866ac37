"""Options from a server's answer: their log-probabilities from the likeliest tokens, or the one that is named in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The log-probability of an option that was not named where one was: small, but a number that JSON has.
NOT_NAMED = math.log(1e-9)


class Position(NamedTuple):
    """One token of an answer: the one taken, and the likeliest ones with their log-probabilities."""

    taken: str
    likely: Mapping[str, float]


def weigh(positions: Sequence[Position], options: Sequence[str]) -> tuple[float, ...] | None:
    """Log-probabilities of the options as the beginning of an answer; None where not one is among the likeliest.

    Tokens that only one option can begin with count for it, with or without a space before them.  Where the options
    begin alike, the token that was taken is followed to the place where they part.  An option that is not among the
    likeliest gets the least of the listed log-probabilities, which is an upper bound.
    """
    mass = dict.fromkeys(options, 0.0)
    before, log_before, least = "", 0.0, 0.0
    for position in positions:
        for token, value in position.likely.items():
            least = min(least, log_before + value)
            fits = _fits(before + token, options)
            if len(fits) == 1:
                mass[fits[0]] += math.exp(log_before + value)
        if len(_fits(before + position.taken, options)) < 2:
            break
        before, log_before = before + position.taken, log_before + position.likely.get(position.taken, 0.0)
    if not any(mass.values()):
        return None
    return tuple(math.log(mass[option]) if mass[option] else least for option in options)


def named(text: str, options: Sequence[str]) -> int | None:
    """Which option an answer in words names: the one it begins with, or the only one in it that stands alone."""
    bare = text.strip().lstrip("([{*_`\"' ").strip()
    begins = [i for i, option in enumerate(options) if _begins(bare, option)]
    if begins:
        return max(begins, key=lambda i: len(options[i]))
    found = [i for i, option in enumerate(options) if re.search(rf"(?<!\w){re.escape(option.strip())}(?!\w)", text)]
    return found[0] if len(found) == 1 else None


def chosen(text: str, options: Sequence[str]) -> int | None:
    """Which option `{"choice": ...}` names; None where the server did not keep to that form."""
    try:
        said = json.loads(text)["choice"]
    except (ValueError, KeyError, TypeError):
        return None
    found = [at for at, option in enumerate(options) if option.strip() == said]
    return found[0] if len(found) == 1 else None


def _fits(said: str, options: Sequence[str]) -> list[str]:
    """Options that an answer which begins so may still be, or already is; all where nothing is said yet."""
    said = said.lstrip()
    return [option for option in options if option.strip().startswith(said) or _begins(said, option)]


def _begins(said: str, option: str) -> bool:
    option = option.strip()
    return said.startswith(option) and not said[len(option) : len(option) + 1].isalnum()
