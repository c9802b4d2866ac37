"""What earlier calls took: means of tokens and time by step and model, with what they can say of calls to come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from constitutional.forecast import NOTHING, Range
from constitutional.plan.prices import model_name
from constitutional.plan.step import ModelUse, Plan, Step
from constitutional.store.folder import Store
from constitutional.store.spending import Spent

#: Of two-sided 95 % intervals.
QUANTILE = 0.975


@dataclass(frozen=True, slots=True)
class Taken:
    """Sums over calls to one model, and whose calls they were."""

    calls: int
    read: float
    written: float
    read_squared: float
    written_squared: float
    seconds: float
    waits: float
    basis: str

    def reads(self, calls: Range) -> Range:
        """Tokens of the prompts of so many calls more."""
        return self._more(calls, self.read, self.read_squared, math.inf)

    def writes(self, calls: Range, most: float) -> Range:
        """Tokens of their answers, of which none is longer than `most`."""
        return self._more(calls, self.written, self.written_squared, most)

    def takes(self, calls: Range, capacity: float) -> Range:
        """Seconds by the clock: as now, or less by as much as more could be in flight at once."""
        if not self.seconds:
            return NOTHING
        each, flying = self.seconds / self.calls, self.waits / self.seconds
        return calls.times(each * min(1.0, flying / max(1.0, capacity)), each)

    def _more(self, calls: Range, total: float, squares: float, most: float) -> Range:
        """A sum over further calls: the interval of Student for their mean and their own scatter together."""
        mean = total / self.calls
        spread = math.sqrt(max(0.0, squares - total * mean) / (self.calls - 1)) * _student(self.calls - 1)
        ends = [amount * mean for amount in calls]
        off = [spread * math.sqrt(n * n / self.calls + n) if math.isfinite(n) else 0.0 for n in calls]
        high = min(ends[1] + off[1], calls.times(0, most).high)
        return Range(min(high, max(0.0, ends[0] - off[0])), high)


class Experience:
    """The calls of all runs below one root, this plan's first."""

    def __init__(self, plan: Plan, store: Store) -> None:
        own, preview = plan.life
        journal = store.journal if store.has_journal else None
        self._own: list[Spent] = journal.spent(own) if journal is not None else []
        self._preview: list[Spent] = journal.spent(preview) if journal is not None else []
        self._all: list[Spent] = journal.spent() if journal is not None else []

    def of(self, step: Step, use: ModelUse) -> Taken | None:
        """What the calls of a step to a model took, or those of other steps of the same stage; None below two calls."""
        model = model_name(use)
        own, preview = (
            [s for s in some if (s.step, s.model) == (step.name, model)] for some in (self._own, self._preview)
        )
        if own or preview:
            whose = "this run" if own else "the preview"
            if (found := _sum([*own, *preview], whose)) is not None:
                return found
        return _sum([s for s in self._all if (s.stage, s.model) == (step.path, model)], "the same stage")


def _sum(spent: Iterable[Spent], whose: str) -> Taken | None:
    some = list(spent)
    calls = sum(one.calls for one in some)
    if calls < 2:
        return None
    names = ("read", "written", "read_squared", "written_squared", "seconds", "waits")
    sums: Mapping[str, float] = {name: float(sum(getattr(one, name) for one in some)) for name in names}
    return Taken(calls, **sums, basis=f"{calls:,} calls of {whose}")


def _student(degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, QUANTILE))
