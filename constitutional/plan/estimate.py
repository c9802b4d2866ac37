"""Estimates: what the rest of a run will come to in calls, tokens, seconds and dollars, before it is started.

All amounts are ranges, and it is said where they are known from.  Where calls were made before, by a preview or by the
run itself, their means are used; where not, prompts are measured in letters and answers taken at their longest.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from constitutional.forecast import (
    CHAT_TOKENS,
    LEAST_LETTERS,
    LETTERS_PER_TOKEN,
    MOST_LETTERS,
    NOTHING,
    UNKNOWN,
    Asking,
    Range,
    up_to,
)
from constitutional.plan.ahead import Outlook, look_ahead
from constitutional.plan.experience import Experience
from constitutional.plan.explain import State
from constitutional.plan.prices import Prices
from constitutional.plan.step import ModelUse, Plan
from constitutional.ports import MAIN
from constitutional.store.folder import RunFolder, Store

DONE, SILENT, LIMITS = "done", "unknown", "limits of the spec"


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one step, or all of them, will come to; an end that nobody knows is infinite.  `basis` says how it is known."""

    name: str
    rows: Range = NOTHING
    calls: Range = NOTHING
    read: Range = NOTHING
    written: Range = NOTHING
    seconds: Range = NOTHING
    dollars: Range = NOTHING
    basis: str = ""

    def plus(self, other: Estimate) -> Estimate:
        """Both together; rows and basis stay those of this one."""
        return replace(self, calls=self.calls.plus(other.calls), read=self.read.plus(other.read),
                       written=self.written.plus(other.written), seconds=self.seconds.plus(other.seconds),
                       dollars=self.dollars.plus(other.dollars))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimates:
    """The steps of a plan, and their sum."""

    steps: Sequence[Estimate]
    total: Estimate
    #: Where the price of each model that is to be asked is known from, by its name in the spec; "" where it is not.
    priced: Mapping[str, str] = field(default_factory=dict)

    @property
    def unpriced(self) -> list[str]:
        """Names of models that are to be asked and have no price."""
        return [name for name, source in self.priced.items() if not source]


def estimate(plan: Plan, store: Store, prices: Prices) -> Estimates:
    """What is left to do of a plan; asks no model and writes nothing.

    Raises:
        DataError: if a source cannot be read.
    """
    outlooks = look_ahead(plan, store)
    estimator = _Estimator(Experience(plan, store), _trained(RunFolder(store, plan.name)), prices)
    steps = [estimator.step(outlook) for outlook in outlooks.values()]
    total = Estimate("in all")
    for one in steps:
        total = total.plus(one)
    return Estimates(steps, replace(total, seconds=estimator.together(total.seconds)), estimator.priced)


class _Estimator:
    def __init__(self, experience: Experience, trained: Mapping[str, tuple[int, float]], prices: Prices) -> None:
        self.priced: dict[str, str] = {}
        self._experience = experience
        self._trained = trained
        self._prices = prices
        self._alone = 0.0
        self._by_model: dict[str, float] = {}

    def step(self, outlook: Outlook) -> Estimate:
        """All that one step will come to."""
        bare = Estimate(outlook.step.name, _made(outlook))
        if outlook.why.state is State.DONE:
            return replace(bare, basis=DONE)
        if outlook.asks is None:
            self._price(outlook)
            return replace(bare, calls=UNKNOWN, read=UNKNOWN, written=UNKNOWN, seconds=UNKNOWN, dollars=UNKNOWN,
                           basis=SILENT)  # fmt: skip
        if not outlook.step.asked():
            return self._own_work(outlook, bare)
        whole, bases = bare, [outlook.basis] if outlook.basis else []
        for asking in outlook.asks:
            part = self._asked(outlook, asking)
            whole = whole.plus(part)
            bases.append(part.basis)
        return replace(whole, basis="; ".join(dict.fromkeys(bases)))

    def together(self, one_by_one: Range) -> Range:
        """Seconds of all steps: models work side by side at best, and trainers alone."""
        return Range(self._alone + max(self._by_model.values(), default=0.0), one_by_one.high)

    def _asked(self, outlook: Outlook, asking: Asking) -> Estimate:
        use = outlook.step.models[asking.port]
        most, calls = float(asking.writes or 0), asking.calls
        taken = self._experience.of(outlook.step, use)
        if taken is not None:
            longest = most if asking.writes is not None else math.inf
            read, written = taken.reads(calls), taken.writes(calls, longest)
            seconds, basis = taken.takes(calls, _capacity(use)), taken.basis
        else:
            known = asking.reads.known
            read, written = calls.by(_by_letters(asking.reads)), calls.by(up_to(most) if known else UNKNOWN)
            seconds, basis = Range(0.0, math.inf if calls.high else 0.0), LIMITS if known else SILENT
        seconds = _paced(use, seconds, calls, read.plus(written))
        self._by_model[use.fingerprint] = self._by_model.get(use.fingerprint, 0.0) + seconds.low
        return Estimate("", NOTHING, calls, read, written, seconds, self._cost(use, read, written), basis)

    def _cost(self, use: ModelUse, read: Range, written: Range) -> Range:
        if not read.high and not written.high:
            return NOTHING
        price, source = self._prices.known(use)
        self.priced[use.name] = source
        if price is None:
            return UNKNOWN
        return read.times(price.input / 1e6).plus(written.times(price.output / 1e6))

    def _price(self, outlook: Outlook) -> None:
        for use in outlook.step.asked().values():
            self.priced[use.name] = self._prices.known(use)[1]

    def _own_work(self, outlook: Outlook, bare: Estimate) -> Estimate:
        """A step that asks nobody: trainers take their time, of which the last run may know; the others take none."""
        stage = outlook.step.stage
        if not getattr(stage and stage.cls, "isolated", False):
            return replace(bare, basis=outlook.basis)
        rows, seconds = self._trained.get(outlook.step.name, (0, 0.0))
        if not rows:
            return replace(bare, seconds=UNKNOWN, basis="unknown until it has run once")
        ahead = outlook.left.times(seconds / rows)
        self._alone += ahead.low
        return replace(bare, seconds=ahead, basis=f"its last run, on {rows:,} rows")


def _made(outlook: Outlook) -> Range:
    """Rows of the main output; parts of one whole are not more than what they are parts of."""
    if MAIN in outlook.rows:
        return outlook.rows[MAIN].count
    rows = NOTHING
    for made in outlook.rows.values():
        rows = rows.plus(made.count)
    return rows.most(outlook.left.high) if outlook.left.high else rows


def _by_letters(tokens: Range) -> Range:
    """What prompts whose tokens were guessed from letters may really have."""
    low, high = LETTERS_PER_TOKEN / MOST_LETTERS, LETTERS_PER_TOKEN / LEAST_LETTERS
    return tokens.times(low, high).plus(up_to(CHAT_TOKENS))


def _capacity(use: ModelUse) -> float:
    """Questions that a model can have in flight."""
    backend = use.backend.cls(use.params)
    return float(backend.parallel * backend.batch_size)


def _paced(use: ModelUse, seconds: Range, calls: Range, tokens: Range) -> Range:
    """No faster than the account's limits allow."""
    patience = use.backend.cls(use.params).patience
    least = [amount.low * 60 / rate for amount, rate in ((calls, patience.requests_per_minute), (tokens, patience.tokens_per_minute))
             if rate]  # fmt: skip
    low = max([seconds.low, *least])
    return Range(low, max(low, seconds.high))


def _trained(folder: RunFolder) -> dict[str, tuple[int, float]]:
    """Rows and seconds of each step when this run last finished it."""
    found: dict[str, tuple[int, float]] = {}
    try:
        with (folder.path / "events.jsonl").open(encoding="utf-8") as log:
            for line in log:
                said = json.loads(line) if '"step_finished"' in line else {}
                if said.get("type") == "step_finished":
                    found[said["step"]] = (said["rows_in"], said["seconds"])
    except (OSError, ValueError):
        return found
    return found
