"""Execution: how a unit of each shape is run, finished and announced."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from constitutional.engine import card
from constitutional.engine.account import Account
from constitutional.engine.context import Survey, Whole
from constitutional.engine.desk import Desk
from constitutional.engine.dispatch import Again, Dispatcher
from constitutional.engine.events import Events
from constitutional.engine.export import Export
from constitutional.engine.finish import finish
from constitutional.engine.inputs import Job, Stored, StoredInputs
from constitutional.engine.limits import Limits
from constitutional.engine.stream import RowStep, StoredRows, connect
from constitutional.engine.whole import run_isolated
from constitutional.errors import ConstitutionalError, StepFailed
from constitutional.events import Progress, RowFailed, StepFinished, StepNotice, StepProgress, StepStarted
from constitutional.ids import Json
from constitutional.parameters import Existing, StageParams, marked
from constitutional.plan.redo import Redo
from constitutional.plan.step import Input, Plan, Shape, Step
from constitutional.plugins import Registry
from constitutional.ports import MAIN, Port
from constitutional.records import Record
from constitutional.rows import to_record
from constitutional.source import Executor
from constitutional.stage import FATES, Outputs, RowStage, SurveyStage, WholeStage
from constitutional.store.artifacts import Finished
from constitutional.store.folder import Store

T = TypeVar("T")

BEAT_SECONDS = 0.25
#: How often to see whether there is something to write, and from how many rows on it is.
EXPORT_SECONDS = 0.5
EXPORT_ROWS = 256
NOTHING = Redo()
#: Rows in trouble that are announced one by one, a step; the ledger counts all.
ANNOUNCED = 100


class Execution:
    """Runs units, and knows how far each running step is."""

    def __init__(
        self, plan: Plan, registry: Registry, store: Store, dispatcher: Dispatcher, limits: Limits, events: Events,
        redo: Redo = NOTHING,
    ) -> None:  # fmt: skip
        self._redo = redo
        #: One thread for all writing: every other one would keep what memory its rows once took.
        self._writer = ThreadPoolExecutor(1, "constitutional-writer")
        self._finishing = asyncio.Lock()
        self._plan = plan
        self._registry = registry
        self._store = store
        self._dispatcher = dispatcher
        self._limits = limits
        self._events = events
        self._desk = Desk(plan, store)
        self._accounts: dict[str, Account] = {}
        self._totals: dict[str, int | None] = {}
        self._done: dict[str, int] = {}
        self._metrics: dict[str, Mapping[str, Json]] = {}
        self._rows: dict[str, RowStep] = {}

    def close(self) -> None:
        self._writer.shutdown(wait=False)

    async def _in_writer(self, write: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, write, *arguments)

    async def unit(self, unit: Sequence[Step]) -> None:
        """Run one unit to its end."""
        if unit[0].shape is Shape.ROW:
            await self._stream(unit)
            return
        (step,) = unit
        run = {Shape.SOURCE: self._source, Shape.WHOLE: self._whole, Shape.SURVEY: self._survey}[step.shape]
        self._start(step)
        try:
            await run(step)
        except (ConstitutionalError, asyncio.CancelledError):
            raise
        except Exception as error:
            raise StepFailed(step.name, f"{type(error).__name__}: {error}") from error

    # -- shapes ------------------------------------------------------------------------------------------------------

    async def _stream(self, unit: Sequence[Step]) -> None:
        running = {step.name: self._row_step(step) for step in unit}
        connect(list(running.values()), self._stored_rows, self._sources())
        for step in unit:
            done = self._store.journal.go_on(step.fingerprint)
            running[step.name].fresh = not done
            self._start(step, done)
        self._rows.update(running)
        async with asyncio.TaskGroup() as group:
            for row_step in running.values():
                group.create_task(self._one_of_stream(row_step))
            for row_step in running.values():
                await row_step.all_read.wait()
            self._dispatcher.ending(frozenset(running))

    async def _one_of_stream(self, row_step: RowStep) -> None:
        step, started = row_step.step, time.monotonic()
        export = Export(self._store, step, row_step.output)
        ended = asyncio.Event()
        exporting = asyncio.create_task(self._export(row_step, export, ended))
        try:
            await row_step.run()
            ended.set()
            await exporting
            self._store.journal.flush()
            async with self._finishing:
                finished = await self._in_writer(export.finish, row_step.account, row_step.depths)
        finally:
            ended.set()
            await asyncio.wait([exporting])
            # In its turn: where this was cancelled, the thread may still be at work on the same file.
            await self._in_writer(export.drop)
        self._store.journal.forget(step.fingerprint)
        self._announce(step, finished, row_step.account, started)

    async def _export(self, row_step: RowStep, export: Export, ended: asyncio.Event) -> None:
        """Write what is final while the stream runs; where an earlier run left rows, their places may still change."""
        written = 0
        while row_step.fresh and not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), EXPORT_SECONDS)
            if row_step.account.settled - written >= EXPORT_ROWS and not ended.is_set():
                written = row_step.account.settled
                below = row_step.settled_below()
                self._store.journal.flush()
                async with self._finishing:
                    await self._in_writer(export.extend, below)

    def _row_step(self, step: Step) -> RowStep:
        assert step.stage is not None
        stage = cast("RowStage[Any, Any]", step.stage.cls(step.params))
        flow = step.gives[MAIN]
        row_step = RowStep(
            step, stage, cast("type[Record]", flow), constitution=self._plan.constitution, dispatcher=self._dispatcher,
            journal=self._store.journal, limits=self._limits, trouble=self._trouble,
            again=self._again(step),
        )  # fmt: skip
        self._accounts[step.name] = row_step.account
        return row_step

    def _again(self, step: Step) -> Again | None:
        """Which known answers this step does not take."""
        if step.name in self._redo.asked_again:
            return lambda known: True
        if self._redo.truncated:
            return lambda known: known.get("finish_reason") == "length"
        return None

    async def _source(self, step: Step) -> None:
        started, source = time.monotonic(), step.source
        assert source is not None
        account = Account()
        record = cast("type[Record]", step.gives[MAIN])

        def rows() -> Any:
            for row in to_record(source.rows(), record):
                account.rows_in += 1
                account.rows_out += 1
                account.book("kept")
                yield row

        finished = await self._in_writer(
            finish, self._store.artifacts, step, step.gives, {MAIN: rows()}, {}, account, {}
        )
        self._announce(step, finished, account, started)

    async def _whole(self, step: Step) -> None:
        started = time.monotonic()
        assert step.stage is not None
        stage = cast("WholeStage", step.stage.cls(step.params))
        workdir = self._store.workdir(step.fingerprint)
        inputs = self._inputs(step)
        if stage.isolated:
            await self._dispatcher.close()
            outputs = await run_isolated(
                self._job(step, workdir), workdir, self.executor, step, step.gives, self._report(step)
            )
        else:
            context = Whole(self._plan.constitution, step.seed, workdir, self._report(step), step.templates)
            workdir.mkdir(parents=True, exist_ok=True)
            outputs = await asyncio.to_thread(stage.run, inputs, context)
        await self._close(step, inputs, outputs, Account(), started)

    async def _survey(self, step: Step) -> None:
        started = time.monotonic()
        assert step.stage is not None
        stage = cast("SurveyStage", step.stage.cls(step.params))
        workdir = self._store.workdir(step.fingerprint)
        workdir.mkdir(parents=True, exist_ok=True)
        inputs, account = self._inputs(step), Account()
        context = Survey(
            step, self._plan.constitution, self._dispatcher, workdir, self._report(step), self._again(step)
        )
        outputs = await stage.run(inputs, context)
        context.add_calls_to(account)
        await self._close(step, inputs, outputs, account, started)

    async def _close(
        self, step: Step, inputs: StoredInputs, outputs: Outputs, account: Account, started: float
    ) -> None:
        """Book the input rows as the stage says, check the sums, and write the artifact."""
        account.rows_in = inputs.count(step.driving) if step.driving is not None else 0
        fates = outputs.fates or {("kept", ""): account.rows_in}
        for (fate, reason), count in fates.items():
            account.book(fate, reason, count)
        account.close(step.name)
        cards = card.cards(self._plan, step, self._store.artifacts, account, outputs.figures)
        finished = await self._in_writer(
            finish,
            self._store.artifacts,
            step,
            step.gives,
            outputs.rows,
            outputs.folders,
            account,
            outputs.figures,
            cards,
        )
        account.rows_out = sum(made.rows or 0 for name, made in finished.outputs.items() if name not in FATES)
        self._announce(step, finished, account, started)

    # -- inputs ------------------------------------------------------------------------------------------------------

    def _stored_rows(self, source: Input, index: int) -> StoredRows:
        path = self._store.artifacts.path(source.fingerprint, source.output)
        return StoredRows(index, path, cast("type[Record]", source.flow))

    def _sources(self) -> frozenset[str]:
        return frozenset(name for name, step in self._plan.steps.items() if step.shape is Shape.SOURCE)

    def _stored(self, step: Step) -> Mapping[str, Sequence[Stored]]:
        return {
            port: [
                Stored(str(self._store.artifacts.path(i.fingerprint, i.output)), i.flow.port, i.label) for i in inputs
            ]
            for port, inputs in step.inputs.items()
        }

    def _takes(self, step: Step) -> Mapping[str, Port]:
        assert step.stage is not None
        return step.stage.cls.takes

    def _inputs(self, step: Step) -> StoredInputs:
        return StoredInputs(
            self._takes(step), self._records(step), self._stored(step), self._weights(step), _labels(step)
        )

    def _records(self, step: Step) -> Mapping[str, type[Record]]:
        """Record types by port name, as they flow here: a plugin's included."""
        flows = [i.flow for inputs in step.inputs.values() for i in inputs]
        return {flow.port: flow for flow in flows if issubclass(flow, Record)}

    def _weights(self, step: Step) -> Mapping[str, str]:
        takes = self._takes(step)
        return {port: self._desk.weights(use) for port, use in step.models.items() if port in takes}

    def _job(self, step: Step, workdir: Path) -> Job:
        assert step.stage is not None
        assert step.params is not None
        bare = step.stage.path
        rows = step.inputs.get("rows", ())
        return Job(
            step=step.name, kind=step.stage.cls.kind, stage=bare, local_plugins=[str(p) for p in self._registry.locals()],
            params=step.params.model_dump(mode="json"), params_folder=str(self._plan.spec_path.parent), seed=step.seed,
            constitution=str(self._plan.constitution.path) if self._plan.constitution.path else None,
            stored=self._stored(step), models=self._weights(step), labels=_labels(step),
            same=rows[0].flow.port if rows else None, workdir=str(workdir), files=_files(step.params),
        )  # fmt: skip

    @cached_property
    def executor(self) -> Executor:
        """What runs the stages that want a process of their own."""
        registered = self._registry.executor(self._plan.executor)
        return registered.cls(registered.cls.Params.model_validate(dict(self._plan.executor_params)))

    # -- telling -----------------------------------------------------------------------------------------------------

    def _start(self, step: Step, done: int = 0) -> None:
        self._done.setdefault(step.name, done)
        reason = f"{done} rows are done already" if done else ""
        self._events.emit(
            StepStarted(
                time=time.time(),
                run=self._plan.name,
                step=step.name,
                stage=step.path,
                done=done,
                total=None,
                reason=reason,
            )
        )

    def _report(self, step: Step) -> Any:
        def report(done: int, total: int, *, notice: str = "", **metrics: Json) -> None:
            self._done[step.name], self._totals[step.name] = done, total
            if notice:
                said = StepNotice(time=time.time(), run=self._plan.name, step=step.name, said=notice[:2000])
                self._events.emit(said)
            self._metrics[step.name] = {**self._metrics.get(step.name, {}), **metrics}

        return report

    def _trouble(self, step: Step, row: Record, fate: str, reason: str, detail: str) -> None:
        if self._accounts[step.name].troubled <= ANNOUNCED:
            self._events.emit(
                RowFailed(
                    time=time.time(),
                    run=self._plan.name,
                    step=step.name,
                    row_id=row.row_id,
                    fate=fate,
                    reason=reason,
                    detail=detail[:2000],
                )
            )

    def _announce(self, step: Step, finished: Finished, account: Account, started: float) -> None:
        self._rows.pop(step.name, None)
        for known in (self._done, self._totals, self._metrics):
            known.pop(step.name, None)
        self._events.emit(StepFinished(
            time=time.time(), run=self._plan.name, step=step.name, stage=step.path, seconds=time.monotonic() - started,
            rows_in=account.rows_in, rows_out=account.rows_out, ledger=account.ledger(), reasons=account.why(),
            calls=account.calls, calls_reused=account.calls_reused, tokens=account.tokens,
            outputs=tuple(finished.outputs), figures=finished.figures,
        ))  # fmt: skip

    async def beat(self) -> None:
        """Say four times a second how far every running step is, and keep the journal's log short."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            self._dispatcher.meter.tick()
            self.last_beat()
            if self._store.journal.wants_checkpoint:
                await self._in_writer(self._store.journal.checkpoint)

    def last_beat(self) -> None:
        steps = {name: self._progress(name) for name in [*self._rows, *(n for n in self._done if n not in self._rows)]}
        self._events.emit(
            Progress(time=time.time(), run=self._plan.name, steps=steps, spending=self._dispatcher.meter.spending())
        )

    def _progress(self, name: str) -> StepProgress:
        row_step = self._rows.get(name)
        if row_step is None:
            metrics = self._metrics.get(name, {})
            return StepProgress(
                done=self._done.get(name, 0), total=self._totals.get(name), fates={}, calls=0, tokens=0, metrics=metrics
            )
        account = row_step.account
        return StepProgress(
            done=account.settled,
            total=row_step.total,
            fates=account.ledger(),
            calls=account.calls,
            tokens=account.tokens,
        )


def _files(params: StageParams) -> Sequence[str]:
    """What the parameters name on disk, for executors that bring it elsewhere."""
    named = [getattr(params, name) for name in marked(type(params), Existing)]
    return [str(path) for path in named if path is not None]


def _labels(step: Step) -> Mapping[str, Sequence[str]]:
    """Labels of labelled ports: of inputs, and of models written as `port.label`."""
    found: dict[str, list[str]] = {}
    for port, inputs in step.inputs.items():
        found.setdefault(port, []).extend(i.label for i in inputs if i.label is not None)
    for name in step.models:
        port, dot, label = name.partition(".")
        if dot:
            found.setdefault(port, []).append(label)
    return found
