"""What a listener hears: one frozen object per event, which may gain fields in a minor release.

Do not change what hangs on an event: it is what the engine itself holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from constitutional.ids import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events have; `time` is seconds since the epoch and never enters a fingerprint."""

    type: ClassVar[str]
    time: float
    run: str

    def to_json(self) -> dict[str, Any]:
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    type: ClassVar[str] = "run_started"
    spec: str
    folder: str
    steps: tuple[str, ...]
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted(Event):
    type: ClassVar[str] = "step_started"
    step: str
    stage: str
    done: int
    total: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished(Event):
    """`ledger` counts input rows by fate; `reasons` says why, by fate and reason."""

    type: ClassVar[str] = "step_finished"
    step: str
    stage: str
    seconds: float
    rows_in: int
    rows_out: int
    ledger: Mapping[str, int]
    reasons: Mapping[str, Mapping[str, int]]
    calls: int
    calls_reused: int
    tokens: int
    outputs: tuple[str, ...]
    figures: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReused(Event):
    """A step that was already done."""

    type: ClassVar[str] = "step_reused"
    step: str
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFailed(Event):
    type: ClassVar[str] = "row_failed"
    step: str
    row_id: str
    fate: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelNotice(Event):
    """What is to be known of a model while it is asked: that it is gone, or there again, or gives less than it should."""

    type: ClassVar[str] = "model_notice"
    model: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepNotice(Event):
    """What is to be known of a step while it works: a training whose reward is being gamed, or that stops early."""

    type: ClassVar[str] = "step_notice"
    step: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepProgress:
    """Where one step is: rows finished of rows known so far, and the numbers of a trainer or backend."""

    done: int
    total: int | None
    fates: Mapping[str, int]
    calls: int
    tokens: int
    metrics: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """Calls that models really had, tokens that they read and wrote, dollars, and hours at work.

    `unpriced` calls went to models whose price nobody knows: `dollars` has nothing of them.
    """

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    hours: float = 0.0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What was spent in this start of a run and in its whole life, previews included; the limits of its budget."""

    now: Amounts
    life: Amounts
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """At most four times a second: the counters of every running step."""

    type: ClassVar[str] = "progress"
    steps: Mapping[str, StepProgress]
    spending: Spending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """`status` is `finished`, `gates-failed`, `failed`, `budget-spent` or `interrupted`."""

    type: ClassVar[str] = "run_finished"
    status: str
    seconds: float
    figures: Mapping[str, Json] = field(default_factory=dict)
    failed_gates: tuple[str, ...] = ()
    error: str | None = None
    spending: Spending | None = None
