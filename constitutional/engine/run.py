"""The run: the loop over steps, from a plan to a manifest.  Reads top to bottom.

A *unit* is what starts together: one stream of row steps, or one other step.  A unit starts when all that it needs is
there, and needs nothing more once it has started, so units cannot wait for each other.  A trainer gets the accelerator
for itself; everything else shares it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from constitutional.engine import gates
from constitutional.engine.commit import Commit
from constitutional.engine.desk import Desk
from constitutional.engine.dispatch import Dispatcher
from constitutional.engine.events import Events, Observer
from constitutional.engine.execute import NOTHING, Execution
from constitutional.engine.limits import Limits
from constitutional.engine.meter import Meter
from constitutional.engine.signals import Stop, stopping
from constitutional.errors import BudgetSpent, ConstitutionalError, GateFailed, Interrupted
from constitutional.events import ModelNotice, RunFinished, RunStarted, Spending, StepReused
from constitutional.plan.prices import Prices, check_priced, load
from constitutional.plan.redo import Redo
from constitutional.plan.step import Plan, Shape, Step
from constitutional.plugins import Registry
from constitutional.store.folder import RunFolder, Store
from constitutional.store.spending import Book


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    folder: RunFolder
    status: str
    figures: Mapping[str, Any]
    failed_gates: Sequence[str]
    reused: int
    done: int
    seconds: float
    #: None where nothing was to do.
    spending: Spending | None = None


def run(
    plan: Plan, registry: Registry, store: Store, observers: Sequence[Observer] = (), say: Callable[[str], None] = print,
    redo: Redo = NOTHING, prices: Prices | None = None,
) -> Result:  # fmt: skip
    """Do what is not yet done, and what `redo` says again, and return how it ended.

    `prices` are those of the environment and the package where they are left out.

    Raises:
        UserError: if there is a budget in dollars and a model whose price nobody knows.
        BudgetSpent: if a limit of the budget was reached; the same call with a larger one goes on.
        RunLocked: if another process runs the same spec in the same folder.
        StepFailed: if a step failed; what was finished stays finished.
        Interrupted: if it was asked to stop; the same call goes on.
    """
    prices = prices if prices is not None else load()
    check_priced(plan, prices, Limits.model_validate(dict(plan.limits)).budget.dollars)
    folder = RunFolder(store, plan.name)
    with folder.locked():
        return _Run(plan, registry, folder, observers, say, redo, prices).start()


def check_gates(result: Result) -> None:
    """Raise `GateFailed` where a `require:` did not hold."""
    if result.failed_gates:
        raise GateFailed(
            "not met: " + "; ".join(result.failed_gates),
            help="the models and figures are there; the spec asks for more",
        )


class _Run:
    def __init__(
        self,
        plan: Plan,
        registry: Registry,
        folder: RunFolder,
        observers: Sequence[Observer],
        say: Callable[[str], None],
        redo: Redo,
        prices: Prices,
    ) -> None:
        self.plan = plan
        self._prices = prices
        self._spending: Spending | None = None
        self._redo = redo
        self.folder = folder
        self.store = folder.store
        self.registry = registry
        self.limits = Limits.model_validate(dict(plan.limits))
        for name in redo.steps:
            self.store.artifacts.set_aside(plan[name].fingerprint)
            self.store.journal.forget(plan[name].fingerprint)
        self.done = {name for name, step in plan.steps.items() if self.store.artifacts.has(step.fingerprint)}
        self.reused = set(self.done)
        #: What the run before said of each step.
        self._before: Mapping[str, Any] = folder.manifest().get("steps", {})
        self._observers = observers
        self._say = say
        self._started = time.monotonic()

    def start(self) -> Result:
        self.folder.write_text("spec.yaml", self.plan.spec_text)
        if len(self.done) == len(self.plan.steps):
            return self._finish(self._events(), None)
        events = self._events()
        try:
            with stopping() as stop:
                _run_loop(self._loop(events, stop))
        except* ConstitutionalError as errors:
            first = _first(errors)
            self._finish(events, first)
            raise first from None
        return self._finish(events, None)

    def _events(self) -> Events:
        events = Events(self.folder.path / "events.jsonl", self.registry, self._observers, self._say)
        started = RunStarted(
            time=time.time(),
            run=self.plan.name,
            spec=str(self.plan.spec_path),
            folder=str(self.folder.path),
            steps=tuple(self.plan.steps),
        )
        events.emit(started)
        for name in self.plan.steps:
            if name in self.reused:
                events.emit(StepReused(time=time.time(), run=self.plan.name, step=name, stage=self.plan[name].path))
        return events

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def _loop(self, events: Events, stop: Stop) -> None:
        def notice(model: str, said: str) -> None:
            events.emit(ModelNotice(time=time.time(), run=self.plan.name, model=model, said=said))

        book = Book(self.store.journal, self.plan.name, self.plan.life)
        meter = Meter(self.limits.budget, self._prices, book)
        dispatcher = Dispatcher(Commit(self.store.journal), Desk(self.plan, self.store).backend, notice, meter)
        execution = Execution(self.plan, self.registry, self.store, dispatcher, self.limits, events, self._redo)
        running: dict[asyncio.Task[Any], Sequence[Step]] = {}
        beat = asyncio.create_task(execution.beat())
        stopped = asyncio.create_task(stop.wait())
        spent = asyncio.create_task(meter.reached.wait())
        try:
            if any(_isolated(step) for name, step in self.plan.steps.items() if name not in self.done):
                await execution.executor.open()
            while len(self.done) < len(self.plan.steps):
                self._expect(dispatcher)
                for unit in self._ready(running.values()):
                    running[asyncio.create_task(execution.unit(unit))] = unit
                finished, _ = await asyncio.wait({*running, stopped, spent}, return_when=asyncio.FIRST_COMPLETED)
                if stopped in finished:
                    raise Interrupted(
                        "stopped; everything finished so far is kept", help="the same command goes on from here"
                    )
                if spent in finished and (over := meter.over()) is not None:
                    raise over
                for task in finished:
                    task.result()
                    await self._settle(running.pop(task), dispatcher)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await dispatcher.close()
            meter.tick(last=True)
            self.store.journal.flush()
            execution.last_beat()
            self._spending = meter.spending()
            for task in (beat, stopped, spent):
                task.cancel()
            execution.close()

    def _expect(self, dispatcher: Dispatcher) -> None:
        """Tell the models that are asked as soon as the sources are read."""
        read = {name for name, step in self.plan.steps.items() if step.shape is Shape.SOURCE}
        todo = [step for name, step in self.plan.steps.items() if name not in self.done | read]
        streams = [unit for unit in _units(todo, self.done | read) if unit[0].shape is Shape.ROW]
        for use in (use for unit in streams for step in unit for use in step.models.values()):
            if use.trained_by is None or use.trained_by.step in self.done:
                dispatcher.queue(use).expect()

    async def _settle(self, unit: Sequence[Step], dispatcher: Dispatcher) -> None:
        """Mark a unit done, link its artifacts, and free the models that nobody needs any more."""
        for step in unit:
            self.done.add(step.name)
            self.folder.link(step.name, step.fingerprint)
        left = [step for name, step in self.plan.steps.items() if name not in self.done]
        await dispatcher.close(keep=frozenset(use.fingerprint for step in left for use in step.models.values()))

    def _ready(self, running: Iterable[Sequence[Step]]) -> Iterator[Sequence[Step]]:
        """Units that can start now.  A trainer starts alone; nothing that needs the accelerator starts beside it."""
        busy = {step.name for unit in running for step in unit}
        todo = [step for name, step in self.plan.steps.items() if name not in self.done and name not in busy]
        units = list(_units(todo, self.done))
        exclusive = any(_isolated(self.plan[name]) for name in busy)
        for unit in units:
            alone = any(_isolated(step) for step in unit)
            if exclusive or (alone and busy):
                if not any(step.models for step in unit) and not alone:
                    yield unit
                continue
            exclusive = alone
            busy |= {step.name for step in unit}
            yield unit

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self, events: Events, error: ConstitutionalError | None) -> Result:
        for name in self.reused:
            self.folder.link(name, self.plan[name].fingerprint)
        figures = gates.figures(self.plan, self.store, self.done)
        failed = gates.failed(self.plan, figures) if error is None else []
        status = _status(error, failed)
        self._write_manifest(status)
        gates.write_report(self.folder, self.plan, figures, failed, status)
        seconds = time.monotonic() - self._started
        events.emit(RunFinished(time=time.time(), run=self.plan.name, status=status, seconds=seconds, figures=figures,
                                failed_gates=tuple(failed), error=str(error) if error else None,
                                spending=self._spending))  # fmt: skip
        events.close()
        done = len(self.done) - len(self.reused)
        return Result(self.folder, status, figures, failed, len(self.reused), done, seconds, self._spending)

    def _write_manifest(self, status: str) -> None:
        """Steps that were not reached keep what the run before said of them, so that reasons stay explainable."""
        steps = {}
        for name, step in self.plan.steps.items():
            if name in self.done:
                steps[name] = {"stage": step.path, "fingerprint": step.fingerprint, "parts": step.parts, "place": step.place,
                               "needs": sorted(step.needs()),
                               "outputs": {out: flow.port for out, flow in step.gives.items()}}  # fmt: skip
            elif name in self._before:
                steps[name] = self._before[name]
        self.folder.write_manifest(steps, spec=str(self.plan.spec_path), name=self.plan.name, status=status)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    """`asyncio.run` on uvloop where there is one: thousands of calls a second are its trade."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _units(todo: Sequence[Step], done: set[str]) -> Iterator[Sequence[Step]]:
    """What could start now: streams of row steps joined by their driving ports, and other steps one by one."""
    streams: dict[str, list[Step]] = {}
    for step in todo:
        missing = step.needs() - done
        if step.shape is not Shape.ROW:
            if not missing:
                yield [step]
            continue
        joined = {id(streams[name]): streams[name] for name in missing & step.streams_from() if name in streams}
        trained = {use.trained_by.step for use in step.models.values() if use.trained_by is not None}
        if missing - streams.keys() or missing & trained or (missing - step.streams_from()):
            continue
        stream = [member for part in joined.values() for member in part] + [step]
        for member in stream:
            streams[member.name] = stream
    yield from {id(stream): stream for stream in streams.values()}.values()


def _isolated(step: Step) -> bool:
    return step.stage is not None and bool(getattr(step.stage.cls, "isolated", False))


def _status(error: ConstitutionalError | None, failed: Sequence[str]) -> str:
    if isinstance(error, Interrupted):
        return "interrupted"
    if isinstance(error, BudgetSpent):
        return "budget-spent"
    if error is not None:
        return "failed"
    return "gates-failed" if failed else "finished"


def _first(errors: BaseExceptionGroup[ConstitutionalError]) -> ConstitutionalError:
    """The first error of a group; a stop that was asked for comes before the failures it caused."""
    found = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in errors.exceptions]
    return next((error for error in found if isinstance(error, (Interrupted, BudgetSpent))), found[0])
