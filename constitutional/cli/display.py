"""The live view of a run: a table where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from constitutional.engine.meter import dollars_of
from constitutional.events import (
    Event,
    ModelNotice,
    Progress,
    RowFailed,
    Spending,
    StepFinished,
    StepNotice,
    StepProgress,
    StepReused,
    StepStarted,
)
from constitutional.plan.step import Plan
from constitutional.text import one_line, printable

PLAIN_SECONDS = 10.0
SHOWN_FAILURES = 5


class Display(Protocol):
    def observe(self, event: Event) -> None: ...
    def say(self, text: str) -> None: ...


@contextlib.contextmanager
def display(plan: Plan, plain: bool) -> Iterator[Display]:
    """A display that is there while inside."""
    if plain:
        yield Lines(plan)
        return
    view = View(plan)
    with Live(view, console=view.console, refresh_per_second=4, transient=False):
        yield view


class Lines:
    """One line when a step starts, now and then while it works, and when it ends."""

    def __init__(self, plan: Plan) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._width = max((len(name) for name in plan.steps), default=0)
        self._count = len(plan.steps)
        self._done = 0
        self._last = time.monotonic()
        self._failures = 0

    def say(self, text: str) -> None:
        self._console.print(Text(printable(text)))

    def observe(self, event: Event) -> None:
        if isinstance(event, StepReused):
            self._done += 1
        elif isinstance(event, StepFinished):
            self._done += 1
            self.say(f"[{self._done}/{self._count}] {event.step:<{self._width}}  {finished_line(event)}")
        elif isinstance(event, RowFailed) and self._failures < SHOWN_FAILURES:
            self._failures += 1
            self.say(f"  {event.step}: row {event.row_id} {event.fate}: {one_line(f'{event.reason} {event.detail}')}")
        elif isinstance(event, ModelNotice):
            self.say(f"  {event.model} {one_line(event.said)}")
        elif isinstance(event, StepNotice):
            self.say(f"  {event.step}: {one_line(event.said, 300)}")
        elif isinstance(event, Progress) and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            for name, progress in event.steps.items():
                self.say(f"  {name:<{self._width}}  {progress_line(progress)}")
            if event.spending is not None and event.spending.life.calls:
                self.say(f"  so far: {spent_line(event.spending)}")


class View:
    """A table of steps with bars, rates and what goes wrong; drawn again four times a second."""

    def __init__(self, plan: Plan) -> None:
        self.console = Console(highlight=False)
        self._plan = plan
        self._started: dict[str, float] = {}
        self._finished: dict[str, StepFinished] = {}
        self._reused: set[str] = set()
        self._progress: Mapping[str, StepProgress] = {}
        self._said: list[str] = []
        self._spending: Spending | None = None
        self._begin = time.monotonic()

    def say(self, text: str) -> None:
        self._said = [*self._said[-SHOWN_FAILURES + 1 :], printable(text)]

    def observe(self, event: Event) -> None:
        if isinstance(event, StepReused):
            self._reused.add(event.step)
        elif isinstance(event, StepStarted):
            self._started[event.step] = time.monotonic()
        elif isinstance(event, StepFinished):
            self._finished[event.step] = event
        elif isinstance(event, Progress):
            self._progress = event.steps
            self._spending = event.spending
        elif isinstance(event, ModelNotice):
            self.say(f"{event.model} {one_line(event.said)}")
        elif isinstance(event, StepNotice):
            self.say(f"{event.step}: {one_line(event.said, 300)}")
        elif isinstance(event, RowFailed):
            self.say(f"{event.step}: row {event.row_id} {event.fate}: {one_line(f'{event.reason} {event.detail}')}")

    def __rich__(self) -> Group:
        table = Table.grid(padding=(0, 2))
        table.add_row(*self._overall())
        for name, step in self._plan.steps.items():
            table.add_row(Text(name), Text(step.path, style="dim"), *self._cells(name))
        return Group(table, *(Text(f"! {said}", style="yellow") for said in self._said))

    def _overall(self) -> tuple[Text, Text, ProgressBar, Text]:
        done, total = len(self._finished) + len(self._reused), len(self._plan.steps)
        bar = ProgressBar(total=max(total, 1), completed=done, width=20)
        return (
            Text(self._plan.name, style="bold"),
            Text("all steps", style="dim"),
            bar,
            Text(f"{done}/{total} steps  {_clock(time.monotonic() - self._begin)}  {spent_line(self._spending)}"),
        )

    def _cells(self, name: str) -> tuple[ProgressBar | Text, Text]:
        if name in self._finished:
            return ProgressBar(total=1, completed=1, width=20), Text(finished_line(self._finished[name]))
        if name in self._reused:
            return ProgressBar(total=1, completed=1, width=20), Text("done before", style="dim")
        progress = self._progress.get(name)
        if name in self._started and progress is not None:
            bar = ProgressBar(total=progress.total, completed=progress.done, width=20, pulse=progress.total is None)
            return bar, Text(progress_line(progress, time.monotonic() - self._started[name]))
        return Text("·", style="dim"), Text("waits" if name not in self._started else "starts", style="dim")


def progress_line(progress: StepProgress, seconds: float | None = None) -> str:
    """`120/400 rows  31 rows/s  4,100 tokens/s  9 s left  loss 0.412  3 unscored`."""
    said = [f"{progress.done:,}/{progress.total:,}" if progress.total is not None else f"{progress.done:,} rows"]
    if seconds and seconds > 1 and progress.done:
        rate = progress.done / seconds
        said.append(f"{rate:.1f}/s")
        if progress.tokens:
            said.append(f"{progress.tokens / seconds:,.0f} tokens/s")
        if progress.total is not None and progress.done < progress.total:
            said.append(f"{_clock((progress.total - progress.done) / rate)} left")
    said += [f"{name} {value:.4g}" for name, value in progress.metrics.items() if isinstance(value, (int, float))][:3]
    said += [f"{count:,} {fate}" for fate, count in progress.fates.items() if count and fate != "kept"]
    return "  ".join(said)


def spent_line(spending: Spending | None) -> str:
    """`1,200/5,000 calls  340,000 tokens  $0.31/$5.00  0.25/3 h`: what the run has spent in its life, of what it may."""
    if spending is None or not (spending.life.calls or spending.limits):
        return ""
    life, limits = spending.life, spending.limits
    said = [
        _of(f"{life.calls:,}", limits.get("calls"), "calls"),
        _of(f"{life.tokens:,}", limits.get("tokens"), "tokens"),
    ]
    dollars = " ".join(dollars_of(life))
    if "dollars" in limits:
        said.append(f"{dollars or '$0'}/${limits['dollars']:,.2f}")
    elif dollars:
        said.append(dollars)
    if "hours" in limits:
        said.append(_of(f"{life.hours:.2f}", limits["hours"], "h"))
    return "  ".join(said)


def _of(spent: str, limit: float | None, unit: str) -> str:
    return f"{spent} {unit}" if limit is None else f"{spent}/{limit:,g} {unit}"


def finished_line(event: StepFinished) -> str:
    """`400 rows -> 396  4 dropped (identical)  12.1 s`."""
    rows = [f"{event.rows_in:,} rows -> {event.rows_out:,}"] if event.rows_in or event.rows_out else []
    lost = [
        _lost(fate, count, event.reasons.get(fate, {}))
        for fate, count in event.ledger.items()
        if count and fate != "kept"
    ]
    calls = (
        [f"{event.calls:,} calls" + (f" ({event.calls_reused:,} known)" if event.calls_reused else "")]
        if event.calls
        else []
    )
    return "  ".join([*rows, *lost, *calls, f"{event.seconds:.1f} s"])


def _lost(fate: str, count: int, reasons: Mapping[str, int]) -> str:
    why = ", ".join(f"{number} {reason}" for reason, number in sorted(reasons.items(), key=lambda item: -item[1])[:2])
    return f"{count:,} {fate}" + (f" ({why})" if why else "")


def _clock(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60}:{whole % 60:02d}"
        if whole < 3600
        else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    )
