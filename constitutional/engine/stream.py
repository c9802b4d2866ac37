"""Streams: rows through row stages without barriers.

A row goes on to its critique while its neighbours are still being drafted.  Queues between stages are bounded and later
stages are served first, so memory depends on what is in flight and not on the size of the data.  A finished row is
written ahead of all that follows from it; on the next run it is read from the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from constitutional.constitution.model import Constitution
from constitutional.engine import budget
from constitutional.engine.account import Account
from constitutional.engine.belt import Belt
from constitutional.engine.context import Calls, OneRow
from constitutional.engine.dispatch import Again, Dispatcher
from constitutional.engine.limits import Limits
from constitutional.errors import ConstitutionalError, Dropped, Unanswered
from constitutional.plan.step import Input, Step
from constitutional.ports import widen
from constitutional.records import Record, trl_row
from constitutional.stage import Fate, RowStage
from constitutional.store.artifacts import ROWS
from constitutional.store.columns import count_rows, read_rows
from constitutional.store.journal import Journal
from constitutional.store.outcomes import Order
from constitutional.twins import Twins

#: A row with its place in the step that made it.
Placed = tuple[Order, Record]
RowTrouble = Callable[[Step, Record, str, str, str], None]


@dataclass(slots=True)
class Outcome:
    """What became of one input row."""

    fate: Fate
    reason: str = ""
    detail: str = ""
    rows: Sequence[Record] = ()
    calls: Calls = field(default_factory=Calls)

    @property
    def lasting(self) -> bool:
        """Whether to keep it: what went wrong is tried again on the next run."""
        return self.fate in ("kept", "dropped", "abstained")

    def to_json(self) -> dict[str, Any]:
        rows = [trl_row(row) for row in self.rows]
        return {
            "fate": self.fate,
            "reason": self.reason,
            "rows": rows,
            "calls": self.calls.calls,
            "tokens": self.calls.tokens,
        }


class RowStep:
    """One row step at work."""

    def __init__(
        self,
        step: Step,
        stage: RowStage[Any, Any],
        output: type[Record],
        *,
        constitution: Constitution,
        dispatcher: Dispatcher,
        journal: Journal,
        limits: Limits,
        trouble: RowTrouble,
        again: Again | None = None,
    ) -> None:
        self._again = again
        self.step = step
        self.account = Account()
        self.total: int | None = None
        self.output = output
        self._stage = stage
        self._constitution = constitution
        self._dispatcher = dispatcher
        self._journal = journal
        self._limits = limits
        self._trouble = trouble
        self._twins = Twins()
        #: Whether no row id comes twice: true of what one source, or one stream of such rows, gives.
        self.distinct = False
        #: Whether the journal has no row of this step, so that there is nothing to look up.
        self.fresh = False
        self._stored: list[StoredRows] = []
        #: Places of rows that were taken and are not yet passed on.
        self._open: set[Order] = set()
        #: For each of the stored inputs that are still read, the position of the next row.
        self._unread: dict[int, int] = {}
        #: How long places are: rows of a stream have longer ones than those that are read from artifacts.
        self.depths: set[int] = set()
        self._feeders: list[tuple[RowStep, int]] = []
        self._ended = False
        self._receivers: list[tuple[RowStep, int]] = []
        self._senders = 0
        self._all_sent = asyncio.Event()
        #: Set when every row that was taken is passed on, and none will come.
        self._drained = asyncio.Event()
        #: Set when there is nothing more to be read from finished steps.
        self.all_read = asyncio.Event()
        self._ready: Belt[Placed] = Belt(limits.rows_in_flight)

    def read(self, rows: StoredRows) -> None:
        """Take the rows of a finished step."""
        self._stored.append(rows)
        self._unread[rows.index] = 0

    def send_to(self, receiver: RowStep, index: int) -> None:
        """Pass each row on as it is made; `index` is this step's place in the receiver's port."""
        self._receivers.append((receiver, index))
        receiver._senders += 1
        receiver._feeders.append((self, index))

    def settled_below(self) -> Order | None:
        """The place below which nothing will change any more; None where that is all."""
        if self._ended:
            return None
        lows: list[Order] = [(index, position) for index, position in self._unread.items()]
        lows += [(index, *low) for feeder, index in self._feeders if (low := feeder.settled_below()) is not None]
        return min([*lows, *self._open], default=())

    async def run(self) -> None:
        """Work through all rows; on return every row is accounted for."""
        if not self._senders:
            self.total = sum(len(rows) for rows in self._stored)
            self._all_sent.set()
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work()) for _ in range(self._limits.rows_in_flight)]
            for rows in self._stored:
                async for order, row in rows.placed():
                    await self._accept(order, row)
                    self._unread[rows.index] = order[1] + 1
                del self._unread[rows.index]
            self.all_read.set()
            await self._all_sent.wait()
            if self._open:
                await self._drained.wait()
            for worker in workers:
                worker.cancel()
        self.account.close(self.step.name)
        self._ended = True
        for receiver, _ in self._receivers:
            receiver._sender_ended()

    async def _accept(self, order: Order, row: Record) -> None:
        self.account.rows_in += 1
        self._open.add(order)
        self.depths.add(len(order))
        await self._ready.put((order, row))

    def _sender_ended(self) -> None:
        self._senders -= 1
        if not self._senders:
            self.total = self.account.rows_in
            self._all_sent.set()

    async def _work(self) -> None:
        while True:
            order, row = await self._ready.get()
            outcome = await self._outcome(order, row)
            self._book(row, outcome)
            for place, made in enumerate(outcome.rows):
                for receiver, index in self._receivers:
                    await receiver._accept((index, *order, place), made)
            self._open.discard(order)
            if not self._open and self._all_sent.is_set():
                self._drained.set()

    async def _outcome(self, order: Order, row: Record) -> Outcome:
        key = self._key(row)
        if not self.fresh and (known := self._journal.outcome(self.step.fingerprint, key)):
            place, said = known
            if place != order:
                # Upstream is read from its artifact now and was a stream before, or the other way round.
                self._journal.move_outcome(self.step.fingerprint, key, order, said)
            return self._remembered(said)
        outcome = await self._process(row)
        if outcome.lasting:
            self._journal.keep_outcome(self.step.fingerprint, key, order, outcome.to_json())
            self._dispatcher.commit.soon()
        return outcome

    def _key(self, row: Record) -> str:
        """What the row is kept under; where ids may come twice, the first, second, ... of them are told apart."""
        number = 0 if self.distinct else self._twins.occurrence(row.row_id)
        return f"{row.row_id}.{number}" if number else row.row_id

    def _remembered(self, said: Mapping[str, Any]) -> Outcome:
        rows = [self.output.from_row(row) for row in said["rows"]]
        calls = Calls(said["calls"], said["calls"], said["tokens"])
        return Outcome(said["fate"], said["reason"], rows=rows, calls=calls)

    async def _process(self, row: Record) -> Outcome:
        context = OneRow(self.step, row, self._constitution, self._dispatcher, self._again)
        try:
            rows = await self._stage.process(widen(row, self._stage.input), context)
        except Dropped as dropped:
            return Outcome("dropped", dropped.reason, calls=context.calls)
        except Unanswered as unanswered:
            return Outcome("unscored", unanswered.reason, unanswered.detail, calls=context.calls)
        except ConstitutionalError:
            raise
        except Exception as error:  # noqa: BLE001  (a stage may fail on one row in any way; the ledger says how)
            return Outcome("failed", type(error).__name__, str(error), calls=context.calls)
        return Outcome("kept", rows=list(rows), calls=context.calls)

    def _book(self, row: Record, outcome: Outcome) -> None:
        self.account.book(outcome.fate, outcome.reason)
        self.account.rows_out += len(outcome.rows)
        outcome.calls.add_to(self.account)
        if not outcome.lasting:
            self._trouble(self.step, row, outcome.fate, outcome.reason, outcome.detail)
            budget.check(self.step.name, self.account, self._limits, self.total)


class StoredRows:
    """The rows of a finished step, as one name in a port."""

    def __init__(self, index: int, path: Path, record: type[Record]) -> None:
        self.index = index
        self._path = path / ROWS
        self._record = record

    def __len__(self) -> int:
        return count_rows(self._path)

    async def placed(self) -> AsyncIterator[Placed]:
        for position, row in enumerate(read_rows(self._path, self._record)):
            yield (self.index, position), row


def connect(
    steps: Sequence[RowStep], stored: Callable[[Input, int], StoredRows], sources: frozenset[str] = frozenset()
) -> None:
    """Join the steps of one stream, in their order, and let the others of their inputs be read from finished steps."""
    by_name = {row_step.step.name: row_step for row_step in steps}
    for row_step in steps:
        row_step.distinct = _distinct(row_step, by_name, sources)
        for index, source in enumerate(row_step.step.inputs[cast("str", row_step.step.driving)]):
            if source.step in by_name:
                by_name[source.step].send_to(row_step, index)
            else:
                row_step.read(stored(source, index))


def _distinct(row_step: RowStep, by_name: Mapping[str, RowStep], sources: frozenset[str]) -> bool:
    inputs = row_step.step.inputs[cast("str", row_step.step.driving)]
    if len(inputs) != 1:
        return False
    (only,) = inputs
    return by_name[only.step].distinct if only.step in by_name else only.step in sources
