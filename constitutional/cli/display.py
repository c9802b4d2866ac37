"""What a run shows while it works: a live table where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Protocol

import click

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
    from rich.live import Live

    from constitutional.cli.view import View

    view = View(plan)
    with Live(view, console=view.console, refresh_per_second=4, transient=False):
        yield view


class Lines:
    """One line when a step starts, now and then while it works, and when it ends."""

    def __init__(self, plan: Plan) -> None:
        self._width = max((len(name) for name in plan.steps), default=0)
        self._count = len(plan.steps)
        self._done = 0
        self._last = time.monotonic()
        self._failures = 0

    def say(self, text: str) -> None:
        click.echo(printable(text))

    def observe(self, event: Event) -> None:
        if isinstance(event, StepReused):
            self._done += 1
        elif isinstance(event, StepFinished):
            self._done += 1
            self.say(f"[{self._done}/{self._count}] {event.step:<{self._width}}  {finished_line(event)}")
        elif isinstance(event, RowFailed):
            self._failures += 1
            if self._failures <= SHOWN_FAILURES:
                self.say(f"  {notice_line(event)}")
        elif isinstance(event, (ModelNotice, StepNotice)):
            self.say(f"  {notice_line(event)}")
        elif isinstance(event, Progress) and time.monotonic() - self._last > PLAIN_SECONDS:
            self._last = time.monotonic()
            for name, progress in event.steps.items():
                self.say(f"  {name:<{self._width}}  {progress_line(progress)}")
            if event.spending is not None and event.spending.life.calls:
                self.say(f"  so far: {spent_line(event.spending)}")


def notice_line(event: ModelNotice | StepNotice | RowFailed) -> str:
    """What is to be known of a model, a step or a row while a run goes on."""
    if isinstance(event, ModelNotice):
        return f"{event.model} {one_line(event.said)}"
    if isinstance(event, StepNotice):
        return f"{event.step}: {one_line(event.said, 300)}"
    return f"{event.step}: row {event.row_id} {event.fate}: {one_line(f'{event.reason} {event.detail}')}"


def progress_line(progress: StepProgress, seconds: float | None = None) -> str:
    """`120/400 rows  31 rows/s  4,100 tokens/s  9 s left  loss 0.412  3 unscored`."""
    said = [f"{progress.done:,}/{progress.total:,}" if progress.total is not None else f"{progress.done:,} rows"]
    if seconds and seconds > 1 and progress.done:
        rate = progress.done / seconds
        said.append(f"{rate:.1f}/s")
        if progress.tokens:
            said.append(f"{progress.tokens / seconds:,.0f} tokens/s")
        if progress.total is not None and progress.done < progress.total:
            said.append(f"{clock((progress.total - progress.done) / rate)} left")
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


def clock(seconds: float) -> str:
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60}:{whole % 60:02d}"
        if whole < 3600
        else f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    )
