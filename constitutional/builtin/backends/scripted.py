"""Answers from a file: for tests, documentation, and trying a spec without a model."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from constitutional.api import (
    Backend,
    BackendParams,
    Capability,
    Choice,
    ChoiceRequest,
    Completion,
    JsonObject,
    Params,
    Request,
    SpecPath,
    Unanswered,
    UserError,
    digest,
    to_json,
)
from constitutional.builtin.patterns import Pattern


class Rule(Params):
    """One rule: where `when` is found in the last message, what to answer."""

    when: Pattern = ""
    """A regular expression, sought in the last message of the dialogue; empty fits all."""

    say: str | tuple[str, ...] = ""
    """The answer, or several of which the row's seed takes one, or the dialogue where nothing is sampled (temperature 0);
    `{last}` stands for the last message."""

    choose: dict[str, float] = Field(default_factory=dict)
    """Probabilities of options by their text; others share what is left."""

    unanswered: str = ""
    """A reason to give no answer."""


class ScriptedParams(BackendParams):
    """Parameters of a scripted model."""

    model: str = "scripted"
    """A name, for the `model` column of rows."""

    rules: tuple[Rule, ...] = ()
    """Rules in order; the first that fits answers."""

    file: SpecPath | None = None
    """A JSON file with a list of rules, after those written here."""

    seconds: float = Field(default=0.0, ge=0)
    """How long each batch takes."""


class ScriptedBackend(Backend):
    """Answers by rules, a function of the request alone: of its seed only where it is sampled."""

    name, version, Params = "scripted", 2, ScriptedParams
    gives = Capability.TEXT | Capability.CHOICES
    params: ScriptedParams

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return (*self.params.rules, *(_read(self.params.file) if self.params.file else ()))

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        import asyncio

        await asyncio.sleep(self.params.seconds)
        return [self._say(request) for request in batch]

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered]:
        import asyncio

        await asyncio.sleep(self.params.seconds)
        return [self._weigh(request) for request in batch]

    def identity(self) -> JsonObject:
        return {"model": self.params.model, "rules": [rule.model_dump(mode="json") for rule in self.rules]}

    def _rule(self, request: Request | ChoiceRequest) -> Rule | Unanswered:
        last = request.messages[-1].content
        rule = next((rule for rule in self.rules if re.search(rule.when, last)), None)
        if rule is None:
            return Unanswered("no-rule", f"nothing fits {last[:60]!r}")
        return Unanswered(rule.unanswered) if rule.unanswered else rule

    def _say(self, request: Request) -> Completion | Unanswered:
        rule = self._rule(request)
        if isinstance(rule, Unanswered):
            return rule
        texts = (rule.say,) if isinstance(rule.say, str) else rule.say
        last = request.messages[-1].content
        taken = digest([request.seed, last] if request.temperature > 0 else to_json(request.messages))
        text = texts[int(taken[:8], 16) % len(texts)].replace("{last}", last)
        words = [len(turn.content.split()) for turn in request.messages]
        return Completion(text, "stop", sum(words), len(text.split()))

    def _weigh(self, request: ChoiceRequest) -> Choice | Unanswered:
        rule = self._rule(request)
        if isinstance(rule, Unanswered):
            return rule
        return Choice(tuple(math.log(share) for share in _shares(rule.choose, request.options)))


def _shares(said: dict[str, float], options: Sequence[str]) -> list[float]:
    rest = [option for option in options if option not in said]
    left = max(0.0, 1.0 - sum(said.get(option, 0.0) for option in options))
    return [max(said.get(option, left / max(1, len(rest))), 1e-9) for option in options]


def _read(path: Path) -> list[Rule]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(list[Rule]).validate_python(said)
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        raise UserError(
            f"{path} is not a list of rules: {error}", help='write `[{"when": "...", "say": "..."}]`'
        ) from error
