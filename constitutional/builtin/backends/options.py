"""Options from a server's answer: their log-probabilities from the likeliest tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: The log-probability of an option that was not named where one was: small, but a number that JSON has.
NOT_NAMED = math.log(1e-9)
#: An answer says too little where more than this share of the options' probability may belong to several of them.
MOST_UNCLEAR = 0.2


class Position(NamedTuple):
    """One token of an answer: the one taken, and the likeliest ones with their log-probabilities."""

    taken: str
    likely: Mapping[str, float]


class Unclear(NamedTuple):
    """Options that begin alike cannot be told apart: `share` of their probability may belong to several."""

    share: float


def weigh(positions: Sequence[Position], options: Sequence[str]) -> tuple[float, ...] | Unclear | None:
    """Log-probabilities of the options as the beginning of an answer; None where not one is among the likeliest.

    Tokens that only one option can begin with count for it, with or without a space before them, and in any case where
    an option is longer than a letter.  Where the options begin alike ("1" and "10"), the token that was taken is followed
    to the place where they part, or to the end of the answer, which is the shorter option's.  Tokens that were not taken
    cannot be followed: what they may stand for is shared by the options they begin, where it is little.  An option that
    is not among the likeliest gets the least of the listed log-probabilities, which is an upper bound.
    """
    tally = _Tally(dict.fromkeys(options, 0.0))
    before, log_before, ended = "", 0.0, False
    for position in positions:
        for token, value in position.likely.items():
            tally.count(before, token, log_before + value, token == position.taken)
        if not position.taken or len(_fits(before + position.taken, options)) < 2:
            ended = True
            break
        before, log_before = before + position.taken, log_before + position.likely.get(position.taken, 0.0)
    exact = _exact(before, options)
    if exact is not None and not ended:
        tally.mass[exact] += math.exp(log_before)
    return tally.weighed()


class _Tally:
    """Probability of each option, what may belong to several, and the least that was listed."""

    def __init__(self, mass: dict[str, float]) -> None:
        self.mass = mass
        self.unclear: list[tuple[float, list[str]]] = []
        self.least = 0.0

    def count(self, before: str, token: str, log_p: float, taken: bool) -> None:
        self.least = min(self.least, log_p)
        options = list(self.mass)
        exact = _exact(before, options)
        fits = [exact] if not token and exact is not None else _fits(before + token, options)
        if len(fits) == 1:
            self.mass[fits[0]] += math.exp(log_p)
        elif len(fits) > 1 and not taken and (before + token).strip():
            self.unclear.append((math.exp(log_p), fits))

    def weighed(self) -> tuple[float, ...] | Unclear | None:
        clear = sum(self.mass.values())
        if not clear:
            return None
        unclear = sum(p for p, _ in self.unclear)
        if unclear / (clear + unclear) > MOST_UNCLEAR:
            return Unclear(unclear / (clear + unclear))
        for p, fits in self.unclear:
            for option in fits:
                self.mass[option] += p / len(fits)
        return tuple(math.log(p) if p else self.least for p in self.mass.values())


def _exact(said: str, options: Sequence[str]) -> str | None:
    """The option that an answer is, where it ends so."""
    return next((option for option in options if _alike(option.strip(), said.strip())), None)


def _fits(said: str, options: Sequence[str]) -> list[str]:
    """Options that an answer which begins so may still be, or already is; all where nothing is said yet."""
    said = said.lstrip()
    return [option for option in options if _alike(option.strip()[: len(said)], said) or begins(said, option)]


def begins(said: str, option: str) -> bool:
    """Whether an answer begins with an option and not with a longer word."""
    option = option.strip()
    return _alike(said[: len(option)], option) and not said[len(option) : len(option) + 1].isalnum()


def _alike(one: str, other: str) -> bool:
    """Whether two texts are the same; single letters must be so to the letter, since "a" is a word."""
    return one == other or (len(one) > 1 and one.casefold() == other.casefold())
