"""Contexts and inputs in memory, answered by rule: a stage is tested here as the engine would run it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from constitutional.api import (
    Choice,
    ChoiceRequest,
    Completion,
    Constitution,
    Dropped,
    Likelihood,
    LikelihoodRequest,
    Messages,
    Principle,
    Prompt,
    Record,
    Request,
    Response,
    RowStage,
    Unanswered,
    row_random,
    row_seed,
    user,
)
from constitutional.constitution.draw import draw
from constitutional.prompts import load

SEED = 17


@dataclass(frozen=True)
class Asked:
    """A question as a rule sees it: what was rendered from what, and the request."""

    model: str
    template: str
    values: Mapping[str, Any]
    request: Request | ChoiceRequest | LikelihoodRequest
    seed: int | None = None


Said = str | Completion | Unanswered | Sequence[float] | Choice | Likelihood
Rule = Callable[[Asked], Said]


def principle(id: str = "kind", **values: Any) -> Principle:
    texts = {name: f"{name} of {id}" for name in ("rule", "critique", "revision", "compare")}
    return Principle(id=id, **{**texts, **values})


def constitution(*principles: Principle) -> Constitution:
    return Constitution("test", tuple(principles or (principle(),)), {p.group: None for p in principles})  # type: ignore[misc]


def prompt(text: str = "hello", row_id: str | None = None, **meta: Any) -> Prompt:
    return Prompt(row_id=row_id or f"p-{text}", prompt=(user(text),), meta=meta)


def response(text: str = "an answer", ask: str = "hello", **values: Any) -> Response:
    given = {"row_id": f"r-{ask}-{text}", "prompt": (user(ask),), "completion": text, "model": "agent", **values}
    return Response(**given)


class RowScript:
    """`RowContext` over a rule; templates are rendered for real, so that a missing variable shows."""

    def __init__(self, rule: Rule, row: Record, path: str = "test/test", book: Constitution | None = None,
                 models: Sequence[str] = ("model",)) -> None:  # fmt: skip
        self.model_names = tuple(models)
        self.constitution = book or constitution()
        self.seed = SEED
        self.asked: list[Asked] = []
        self._rule = rule
        self._row = row
        self._path = path
        self._rendered: dict[Messages, tuple[str, Mapping[str, Any]]] = {}
        self.random: random.Random = row_random(SEED, path, row.row_id)

    async def ask(self, request: Request, model: str = "model") -> Completion:
        said = await self._say(request, model, row_seed(SEED, self._path, self._row.row_id, request.sample))
        return said if isinstance(said, Completion) else Completion(str(said))

    async def choose(self, request: ChoiceRequest, model: str = "model") -> Choice:
        said = await self._say(request, model, None)
        return said if isinstance(said, Choice) else Choice(tuple(said))  # type: ignore[arg-type]

    async def weigh(self, request: LikelihoodRequest, model: str = "model") -> Likelihood:
        said = await self._say(request, model, None)
        assert isinstance(said, Likelihood)
        return said

    async def _say(self, request: Any, model: str, seed: int | None) -> Said:
        await asyncio.sleep(0)
        template, values = self._last(request.messages)
        asked = Asked(model, template, values, request, seed)
        self.asked.append(asked)
        said = self._rule(asked)
        if isinstance(said, Unanswered):
            raise said
        return said

    def _last(self, shown: Messages) -> tuple[str, Mapping[str, Any]]:
        """What the end of a dialogue was rendered from: examples may stand before a question."""
        ends = (shown[at:] for at in range(len(shown)))
        return next((self._rendered[end] for end in ends if end in self._rendered), ("", {}))

    def render(self, template: str, **values: object) -> Messages:
        shown = load(template)
        assert set(values) == set(shown.inputs), f"{template} takes {shown.inputs}"
        made = shown.render(**values)
        self._rendered[made] = (template, values)
        return made

    def draw(self, principles: Sequence[Principle], round: int = 0, k: int = 1) -> Sequence[Principle]:
        return draw(principles, SEED, self._row.row_id, round, k)

    def model_label(self, model: str = "model") -> str:
        return f"label of {model}"

    def drop(self, reason: str) -> NoReturn:
        raise Dropped(reason)


def process(stage: RowStage[Any, Any], row: Record, rule: Rule = lambda asked: "said",
            book: Constitution | None = None, models: Sequence[str] = ("model",)) -> Sequence[Any]:  # fmt: skip
    """Run one row through a row stage."""
    return asyncio.run(stage.process(row, RowScript(rule, row, stage.path, book, models)))


def dropped(stage: RowStage[Any, Any], row: Record, rule: Rule = lambda asked: "said") -> str | None:
    """The reason why a row stage drops a row, or None where it keeps it."""
    try:
        process(stage, row, rule)
    except Dropped as end:
        return end.reason
    return None


@dataclass
class Memory:
    """`Inputs` over lists: a port is one list of rows, or several names with rows each."""

    ports: Mapping[str, Sequence[Sequence[Record]]]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def rows(self, port: str) -> Iterator[Any]:
        return (row for part in self.ports.get(port, ()) for row in part)

    def count(self, port: str) -> int:
        return sum(self.parts(port))

    def parts(self, port: str) -> Sequence[int]:
        return [len(part) for part in self.ports.get(port, ())]

    def labels(self, port: str) -> Sequence[str]:
        return self.names.get(port, ())

    def model(self, port: str = "model") -> str:
        raise NotImplementedError

    def artifact(self, port: str) -> Any:
        raise NotImplementedError

    def artifacts(self, port: str) -> Sequence[Any]:
        return ()


@dataclass
class Script:
    """`WholeContext` and `SurveyContext` over a rule."""

    workdir: Path
    rule: Rule = lambda asked: "said"
    constitution: Constitution = field(default_factory=constitution)
    seed: int = SEED
    rows: list[RowScript] = field(default_factory=list)

    def on(self, row: Record) -> RowScript:
        self.rows.append(RowScript(self.rule, row, "evaluator/test", self.constitution))
        return self.rows[-1]

    def progress(self, done: int, total: int, **metrics: Any) -> None:
        assert 0 <= done <= total


def adds_up(outputs: Any, inputs: Memory, port: str) -> bool:
    """Whether every input row is accounted for."""
    return not outputs.fates or sum(outputs.fates.values()) == inputs.count(port)
