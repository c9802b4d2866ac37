"""Rules on length and format: rewards that need no model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from pydantic import Field

from constitutional.api import Messages, Params
from constitutional.builtin.math.drift import repetition
from constitutional.builtin.rewards.contract import Metas, Scored


class Rules(Params):
    """Rules on the answer's text; the reward is the mean over the rules that are given, each between 0 and 1."""

    min_words: int | None = Field(default=None, ge=1)
    """Fewer words earn their share of this many."""

    max_words: int | None = Field(default=None, ge=1)
    """More words earn less: nothing at twice this many."""

    starts_with: tuple[str, ...] = ()
    """The answer begins with one of these."""

    ends_with: tuple[str, ...] = ()
    """The answer ends with one of these: `[".", "!", "?"]`."""

    contains: tuple[str, ...] = ()
    """The share of these that the answer contains, whatever the case."""

    lacks: tuple[str, ...] = ()
    """The share of these that the answer does not contain, whatever the case."""

    json_object: bool = False
    """The answer is one JSON object."""

    max_repetition: float | None = Field(default=None, ge=0, lt=1)
    """The largest share of word triples that may have come before; more earn less, nothing where all have."""

    def given(self) -> list[Callable[[str], float]]:
        """The rules that are asked for, each from a text to a number between 0 and 1."""
        rules: list[Callable[[str], float]] = []
        low, high, most = self.min_words, self.max_words, self.max_repetition
        if low is not None:
            rules.append(lambda text: min(1.0, len(text.split()) / low))
        if high is not None:
            rules.append(lambda text: min(1.0, max(0.0, 2 - len(text.split()) / high)))
        if self.starts_with:
            rules.append(lambda text: float(text.startswith(self.starts_with)))
        if self.ends_with:
            rules.append(lambda text: float(text.endswith(self.ends_with)))
        if self.contains:
            rules.append(lambda text: _share(text, self.contains))
        if self.lacks:
            rules.append(lambda text: 1 - _share(text, self.lacks))
        if self.json_object:
            rules.append(_is_object)
        if most is not None:
            rules.append(lambda text: min(1.0, (1 - repetition(text)) / (1 - most)))
        return rules


class RuleScorer:
    """The mean of the rules; an empty answer meets those that it meets."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules.given()

    def score(self, dialogues: Sequence[Messages], metas: Metas = None) -> list[Scored]:
        return [self._one(dialogue) for dialogue in dialogues]

    def _one(self, dialogue: Messages) -> Scored:
        if not dialogue or dialogue[-1].role != "assistant":
            return Scored(None, "empty")
        text = dialogue[-1].content.strip()
        return Scored(sum(rule(text) for rule in self._rules) / len(self._rules))


def _share(text: str, wanted: Sequence[str]) -> float:
    lower = text.casefold()
    return sum(one.casefold() in lower for one in wanted) / len(wanted)


def _is_object(text: str) -> float:
    try:
        return float(isinstance(json.loads(text), dict))
    except (ValueError, RecursionError):
        return 0.0
