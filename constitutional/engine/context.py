"""What a stage holds while it works: the contexts of the contract, on the dispatcher and the plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NoReturn, cast

from constitutional.backend import Choice, ChoiceRequest, Completion, Likelihood, LikelihoodRequest, Request
from constitutional.constitution.draw import draw
from constitutional.constitution.model import Constitution, Principle
from constitutional.engine.account import Account
from constitutional.engine.dispatch import Again, Dispatcher
from constitutional.errors import Dropped, RunError
from constitutional.ids import Json, row_random, row_seed
from constitutional.plan.step import ModelUse, Step
from constitutional.prompts import Template
from constitutional.records import Messages, Record

Report = Callable[..., None]


@dataclass(slots=True)
class Calls:
    """The calls of one row, so that what a row cost is kept with what it gave."""

    calls: int = 0
    calls_reused: int = 0
    tokens: int = 0
    #: Who asks: the step's name and `kind/name` of its stage.
    step: str = ""
    stage: str = ""

    def add_to(self, account: Account) -> None:
        account.calls += self.calls
        account.calls_reused += self.calls_reused
        account.tokens += self.tokens


class OneRow:
    """`RowContext` of one row of one step."""

    def __init__(
        self, step: Step, row: Record, constitution: Constitution, dispatcher: Dispatcher, again: Again | None = None
    ) -> None:
        self._again = again
        self.constitution = constitution
        self.seed = step.seed
        self.calls = Calls(step=step.name, stage=step.path)
        self._step = step
        self._row = row
        self._dispatcher = dispatcher

    @property
    def model_names(self) -> Sequence[str]:
        return tuple(self._step.models)

    @cached_property
    def random(self) -> random.Random:
        return row_random(self.seed, self._step.path, self._row.row_id)

    async def ask(self, request: Request, model: str = "model") -> Completion:
        if request.seed is None:
            request = request.seeded(row_seed(self.seed, self._step.path, self._row.row_id, request.sample))
        queue = self._dispatcher.queue(self._model(model))
        return cast("Completion", await queue.ask(request, self._step.depth, self.calls, self._again))

    async def choose(self, request: ChoiceRequest, model: str = "model") -> Choice:
        queue = self._dispatcher.queue(self._model(model))
        return cast("Choice", await queue.ask(request, self._step.depth, self.calls, self._again))

    async def weigh(self, request: LikelihoodRequest, model: str = "model") -> Likelihood:
        queue = self._dispatcher.queue(self._model(model))
        return cast("Likelihood", await queue.ask(request, self._step.depth, self.calls, self._again))

    def render(self, template: str, **values: object) -> Messages:
        try:
            chosen = self._step.templates[template]
        except KeyError:
            known = ", ".join(self._step.templates) or "none"
            raise RunError(f"step `{self._step.name}` renders `{template}`, but its parameters name {known}",
                           help="give the template's name in a parameter of type TemplateName") from None  # fmt: skip
        return chosen.render(**values)

    def draw(self, principles: Sequence[Principle], round: int = 0, k: int = 1) -> Sequence[Principle]:
        return draw(principles, self.seed, self._row.row_id, round, k)

    def model_label(self, model: str = "model") -> str:
        return self._model(model).label

    def drop(self, reason: str) -> NoReturn:
        raise Dropped(reason)

    def _model(self, port: str) -> ModelUse:
        try:
            return self._step.models[port]
        except KeyError:
            known = ", ".join(self._step.models) or "none"
            raise RunError(f"step `{self._step.name}` asks for model `{port}`, but has {known}") from None


class Survey:
    """`SurveyContext` of one step."""

    def __init__(
        self, step: Step, constitution: Constitution, dispatcher: Dispatcher, workdir: Path, report: Report,
        again: Again | None = None,
    ) -> None:  # fmt: skip
        self._again = again
        self.constitution = constitution
        self.seed = step.seed
        self.workdir = workdir
        self._step = step
        self._dispatcher = dispatcher
        self._report = report
        self._rows: list[OneRow] = []

    def on(self, row: Record) -> OneRow:
        context = OneRow(self._step, row, self.constitution, self._dispatcher, self._again)
        self._rows.append(context)
        return context

    def progress(self, done: int, total: int, **metrics: Json) -> None:
        self._report(done, total, **metrics)

    def add_calls_to(self, account: Account) -> None:
        for context in self._rows:
            context.calls.add_to(account)


@dataclass(slots=True)
class Whole:
    """`WholeContext` of one step."""

    constitution: Constitution
    seed: int
    workdir: Path
    report: Report
    #: The templates that the parameters name, by the name given there.
    templates: Mapping[str, Template] = field(default_factory=dict)

    def render(self, template: str, **values: object) -> Messages:
        if template not in self.templates:
            known = ", ".join(self.templates) or "none"
            raise RunError(f"`{template}` is rendered, but the parameters name {known}",
                           help="give the template's name in a parameter of type TemplateName")  # fmt: skip
        return self.templates[template].render(**values)

    def progress(self, done: int, total: int, **metrics: Json) -> None:
        self.report(done, total, **metrics)
