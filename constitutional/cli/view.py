"""The live table of a run; apart from plain lines, which need no rich."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from constitutional.cli.display import SHOWN_FAILURES, clock, finished_line, notice_line, progress_line, spent_line
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
from constitutional.text import printable


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
        elif isinstance(event, (ModelNotice, StepNotice, RowFailed)):
            self.say(notice_line(event))

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
            Text(f"{done}/{total} steps  {clock(time.monotonic() - self._begin)}  {spent_line(self._spending)}"),
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
