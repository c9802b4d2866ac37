"""The meter: what a run spends, what is left of its budget, and the end of the run when nothing is.

What counts is what models were really asked, over the whole life of the run: sums are kept in the journal, in the
transaction of the answers that were paid for.  A question is sent only where all that is on its way, at its longest,
still fits below the limits, so that calls are exact and tokens and dollars end below their limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from constitutional.backend import Choice, Completion
from constitutional.engine.answers import Question, expected, used
from constitutional.engine.limits import Budget
from constitutional.errors import BudgetSpent, NotNow, StoreFailed, Unanswered
from constitutional.events import Amounts, Spending
from constitutional.plan.prices import Price, Prices, model_name
from constitutional.plan.step import ModelUse, Plan
from constitutional.store.folder import Store
from constitutional.store.spending import CLOCK, Book, Spent

Clock = Callable[[], float]

HOUR = 3600.0
#: The clock is written down this often, so that a crash loses no more of it.
CLOCK_SECONDS = 5.0


class Bill(NamedTuple):
    """One question that was asked: by which step, of whom, what came back, and how long it took.

    `seconds` is its share of the time by the clock, `waited` its own time from asking to answer.
    """

    step: str
    stage: str
    use: ModelUse
    question: Question
    answer: Completion | Choice | BaseException
    seconds: float = 0.0
    waited: float = 0.0


@dataclass(slots=True)
class _Sum:
    calls: int = 0
    read: int = 0
    written: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    seconds: float = 0.0

    def add(self, spent: Spent) -> None:
        if spent.model == CLOCK:
            self.seconds += spent.seconds
            return
        self.calls += spent.calls
        self.read += spent.read
        self.written += spent.written
        self.dollars += spent.dollars
        self.unpriced += spent.unpriced


class Meter:
    """Counts, for all models of a run together; `book` is where it is written down, and read by the next start."""

    def __init__(
        self, budget: Budget | None = None, prices: Prices | None = None, book: Book | None = None,
        clock: Clock = time.monotonic,
    ) -> None:  # fmt: skip
        #: Set when a limit is reached.
        self.reached = asyncio.Event()
        self._limits = (budget or Budget()).limits()
        self._prices = prices or Prices()
        #: By the model's fingerprint, its own name and its price.
        self._known: dict[str, tuple[str, Price | None]] = {}
        self._book = book
        self._clock = clock
        self._began = self._written = clock()
        self._now, self._before = _Sum(), _Sum()
        #: What is set aside: in all, and by model and question.
        self._held = {"calls": 0.0, "tokens": 0.0, "dollars": 0.0}
        self._taken: dict[tuple[str, int], dict[str, float]] = {}
        #: Tokens of the prompts that were answered, by their letters.
        self._guessed = 0
        self._waiting: list[Callable[[], None]] = []
        self._refused: BudgetSpent | None = None
        for spent in book.before() if book is not None else ():
            self._before.add(spent)

    # -- asking ------------------------------------------------------------------------------------------------------

    def take(self, use: ModelUse, question: Question) -> bool:
        """Set aside what a question may cost at most; false where there is no room for it, now or at all."""
        if not self._limits:
            return True
        if self._refused is not None or self._late():
            return False
        costs = self._costs(use, question)
        spent = self._spent()
        for name, cost in costs.items():
            limit = self._limits.get(name)
            if limit is not None and spent[name] + self._held[name] + cost > limit:
                if self._held["calls"] < 1:
                    self._refuse(name, cost)
                return False
        self._taken[use.fingerprint, id(question)] = costs
        self._hold(costs, 1)
        return True

    def when_there_is_room(self, wake: Callable[[], None]) -> None:
        """Call back after the next answer, whose cost is known then."""
        if wake not in self._waiting:
            self._waiting.append(wake)

    def settle(self, bill: Bill) -> None:
        """A question that was taken has come back: count what it cost, which the journal's next flush keeps.

        An answer counts, and so does `Unanswered`, which was asked all the same; what a backend raised beside does not.
        """
        if self._taken and (costs := self._taken.pop((bill.use.fingerprint, id(bill.question)), None)):
            self._hold(costs, -1)
        spent = self._spend(bill)
        if spent is not None:
            self._now.add(spent)
            if self._limits and spent.read:
                self._guessed += expected(bill.question)[0]
            if self._book is not None:
                self._book.add(spent)
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()

    def tick(self, last: bool = False) -> None:
        """Write down the hours now and then, and see whether they are over."""
        now = self._clock()
        self._late()
        if self._book is None or not (last or now - self._written > CLOCK_SECONDS):
            return
        self._book.add(Spent("", "", CLOCK, seconds=now - self._written))
        self._written = now
        with contextlib.suppress(StoreFailed):  # the answers' own commit says so where it matters
            self._book.flush()

    # -- the budget --------------------------------------------------------------------------------------------------

    def over(self) -> BudgetSpent | None:
        """The error that ends the run, where a limit is in the way of what is still to do."""
        return self._refused

    def _late(self) -> bool:
        """Whether the hours are over."""
        late = "hours" in self._limits and self._spent()["hours"] >= self._limits["hours"]
        if late and self._refused is None:
            self._refuse("hours")
        return late

    def _refuse(self, name: str, cost: float = 0.0) -> None:
        limit, spent = self._limits[name], self._spent()[name]
        why = "" if spent >= limit else f", and one more question may take {_said(name, cost)}"
        self._refused = BudgetSpent(
            f"the budget is used up: {_said(name, spent)} of {_said(name, limit)} {name}{why}; "
            f"spent in the whole life of this run: {told(self.spending().life)}",
            help="what is answered so far is kept; raise it in the spec, "
            f"`budget: {{{name}: …}}`, or by `--set budget.{name}=…`, and the same command goes on from here",
        )
        self.reached.set()

    def _hold(self, costs: Mapping[str, float], sign: int) -> None:
        for name, cost in costs.items():
            self._held[name] = self._held[name] + sign * cost if self._taken else 0.0

    def _costs(self, use: ModelUse, question: Question) -> dict[str, float]:
        """At most: prompts by their letters, or longer by as much as those before were, and answers at their longest."""
        asked, written = expected(question)
        more = max(1.0, self._now.read / self._guessed) if self._guessed else 1.0
        read = asked * more
        _, price = self._priced(use)
        dollars = price.dollars(read, written) if price is not None else 0.0
        return {"calls": 1, "tokens": read + written, "dollars": dollars}

    def _priced(self, use: ModelUse) -> tuple[str, Price | None]:
        """The model's own name and its price, looked up once."""
        known = self._known.get(use.fingerprint)
        if known is None:
            known = self._known[use.fingerprint] = (model_name(use), self._prices.of(use))
        return known

    # -- counting ----------------------------------------------------------------------------------------------------

    def _spend(self, bill: Bill) -> Spent | None:
        """None for what cost nothing because it is asked again, or was not asked at all."""
        if not isinstance(bill.answer, (Completion, Choice, Unanswered, NotNow)):
            return None
        read, written = used(bill.question, bill.answer)
        if isinstance(bill.answer, NotNow) and not read + written:
            return None
        name, price = self._priced(bill.use)
        return Spent(
            bill.step, bill.stage, name, 1, read, written, read**2, written**2, bill.seconds, bill.waited,
            price.dollars(read, written) if price is not None else 0.0, int(price is None),
        )  # fmt: skip

    def _spent(self) -> dict[str, float]:
        life = self.spending().life
        return {"calls": life.calls, "tokens": life.tokens, "dollars": life.dollars, "hours": life.hours}

    def spending(self) -> Spending:
        """What was spent in this start and in the whole life of the run."""
        seconds = self._clock() - self._began
        life = [self._before, self._now]
        return Spending(now=_amounts([self._now], seconds), life=_amounts(life, seconds), limits=self._limits)


def spent_by(plan: Plan, store: Store) -> Spending:
    """What a run has spent so far, and the limits of its budget, while it is not running."""
    budget = Budget.model_validate(plan.limits.get("budget") or {})
    book = Book(store.journal, plan.name, plan.life) if store.has_journal else None
    return Meter(budget, book=book, clock=lambda: 0.0).spending()


def _amounts(sums: Sequence[_Sum], seconds: float) -> Amounts:
    return Amounts(
        calls=sum(one.calls for one in sums), tokens_in=sum(one.read for one in sums),
        tokens_out=sum(one.written for one in sums), dollars=sum(one.dollars for one in sums),
        unpriced=sum(one.unpriced for one in sums), hours=(sum(one.seconds for one in sums) + seconds) / HOUR,
    )  # fmt: skip


def told(amounts: Amounts) -> str:
    """`1,200 calls, 340,000 tokens, $0.31, 25 min`."""
    seconds = amounts.hours * HOUR
    time = (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{amounts.hours:.1f} h"
    )
    return ", ".join([f"{amounts.calls:,} calls", f"{amounts.tokens:,} tokens", *dollars_of(amounts), time])


def dollars_of(amounts: Amounts) -> list[str]:
    """Dollars in words; nothing where nothing was to be paid, and never nothing where it is unknown."""
    known = f"${amounts.dollars:,.2f}" if amounts.dollars >= 1 else f"${amounts.dollars:.4f}"
    if amounts.unpriced:
        return [f"more than {known}" if amounts.dollars else "unknown cost"]
    return [known] if amounts.dollars else []


def _said(name: str, amount: float) -> str:
    return f"{amount:,.0f}" if name in ("calls", "tokens") else f"{amount:,.4g}"


__all__ = ["Bill", "Meter", "dollars_of", "spent_by", "told"]
