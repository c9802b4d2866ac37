"""A question that waits for its turn, or for its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from constitutional.engine.answers import Answer, Question


@dataclass(slots=True, eq=False)
class Waiting:
    """One question, whoever asks it."""

    #: Who goes first: by rank, which its step's depth in the plan decides, then by the order of asking.
    rank: int
    place: int
    question: Question
    key: str
    #: Step and stage that ask.
    by: tuple[str, str]
    #: Whether the answer takes the place of one that is known.
    again: bool = False
    #: Those who wait for the answer: twins share a question.
    askers: list[asyncio.Future[Answer]] = field(default_factory=list)
    #: How often it was asked.
    attempts: int = 0
    asked_at: float = 0.0
    #: Its share of the time by the clock, in seconds, and its own time from asking to answer, at the last attempt.
    took: tuple[float, float] = (0.0, 0.0)

    @property
    def urgency(self) -> Entry:
        """As it stands in a heap: tuples compare without a call into Python."""
        return self.rank, self.place, self


Entry = tuple[int, int, Waiting]
