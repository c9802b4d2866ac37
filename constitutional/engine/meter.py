"""The meter: what one run has asked for so far, in calls, tokens, dollars and hours, and whether its budget is used up."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pydantic import Field

from constitutional.backend import Backend, Choice, Completion
from constitutional.errors import BudgetSpent, UserError
from constitutional.parameters import Params

Clock = Callable[[], float]


class Budget(Params):
    """What one invocation may spend; when it is spent, the run stops cleanly and the same command goes on."""

    calls: int | None = Field(default=None, ge=0)
    """Questions to models; those answered from the journal are free."""

    tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and answers together."""

    dollars: float | None = Field(default=None, ge=0)
    """By the `price` of each model that is asked; a remote model without one is an error then."""

    hours: float | None = Field(default=None, ge=0)
    """Time from the start of the run."""


class Meter:
    """Counts, for all models of a run together."""

    def __init__(self, budget: Budget | None = None, clock: Clock = time.monotonic) -> None:
        self.budget = budget or Budget()
        self.calls = self.tokens = 0
        self.dollars = 0.0
        self._clock = clock
        self._began = clock()

    def admit(self, model: str, backend: Backend) -> None:
        """Raises `UserError` where a model's price is needed and not known."""
        if self.budget.dollars is not None and backend.price is None:
            raise UserError(f"a budget in dollars needs to know what {model} costs",
                            help="give the model a price, dollars per million tokens: `price: {input: 0.4, output: 1.6}`")  # fmt: skip

    def spend(self, answer: Completion | Choice, backend: Backend) -> None:
        """An answer came from a model."""
        written = answer.completion_tokens if isinstance(answer, Completion) else 1
        self.calls += 1
        self.tokens += answer.prompt_tokens + written
        if backend.price is not None:
            self.dollars += (answer.prompt_tokens * backend.price[0] + written * backend.price[1]) / 1e6

    def over(self) -> BudgetSpent | None:
        """The error that ends the run, where a limit is reached."""
        for name, spent in self._spent().items():
            limit = getattr(self.budget, name)
            if limit is not None and spent >= limit:
                return BudgetSpent(
                    f"the budget is used up: {spent:,.6g} of {limit:,} {name}; spent in all: {self}",
                    help="what is finished is kept; the same command goes on with the budget anew, or raise `budget:` in the spec",
                )
        return None

    def said(self) -> Mapping[str, float]:
        """For events and displays."""
        return {"calls": self.calls, "tokens": self.tokens, **({"dollars": self.dollars} if self.dollars else {})}

    def __str__(self) -> str:
        dollars = f", {self.dollars:,.2f} dollars" if self.dollars else ""
        return f"{self.calls:,} calls, {self.tokens:,} tokens{dollars}, {self._spent()['hours']:.2f} hours"

    def _spent(self) -> dict[str, float]:
        hours = (self._clock() - self._began) / 3600
        return {"calls": self.calls, "tokens": self.tokens, "dollars": self.dollars, "hours": hours}
