"""Export: the artifact of a running stream, written while it runs.

Rows become final in no particular order, but all below the first that is still under way are: they can be written.  So when
the last row is done, little is left to write, be the stream a thousand rows or a hundred million.
"""

from __future__ import annotations

import time
from collections.abc import Set
from pathlib import Path

from constitutional.engine.account import Account
from constitutional.engine.finish import finished_step
from constitutional.errors import StepFailed
from constitutional.plan.step import Step
from constitutional.ports import MAIN
from constitutional.records import Record
from constitutional.store.artifacts import ROWS, Finished, Output, file_digest, seal
from constitutional.store.columns import OutcomesWriter
from constitutional.store.folder import Store
from constitutional.store.journal import Journal
from constitutional.store.outcomes import Order

#: Where another process gives a step's rows other places, they are written anew after so many seconds.
WAITS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)


class Export:
    """What is written of one step; its methods run in threads, one at a time."""

    def __init__(self, store: Store, step: Step, record: type[Record]) -> None:
        self._store = store
        self._step = step
        self._record = record
        self._aside: Path | None = None
        self._writer: OutcomesWriter | None = None
        self._last: Order = ()
        self._total = 0

    def extend(self, below: Order | None) -> None:
        """Write the rows before a place, or all that there are."""
        with self._store.journal.reader() as journal, journal.snapshot():
            self._extend(journal, below)

    def _extend(self, journal: Journal, below: Order | None) -> None:
        writer = self._writer or self._begin()
        for place, lines in journal.lines(self._step.fingerprint, self._last, below):
            writer.write_lines(lines.split(b"\n"))
            self._last = place

    def finish(self, account: Account, depths: Set[int]) -> Finished:
        """Write the rest and put the artifact in its place; `depths` are the lengths of places that this run gave.

        Raises:
            StepFailed: if other processes change the same step again and again.
        """
        for wait in WAITS:
            if self._all(depths) and self._total == account.rows_out:
                break
            self.drop()
            if self._store.artifacts.has(self._step.fingerprint):
                # Another run was quicker, and has cleared away what the step had.
                return self._store.artifacts.finished(self._step.fingerprint)
            time.sleep(wait)
            with self._store.journal.reader() as journal:
                journal.keep_last(self._step.fingerprint)
        else:
            said = f"another run changes the same step: {account.rows_out} rows were made, {self._total} are there"
            raise StepFailed(
                self._step.name, said, help="wait until it has ended; the same command goes on from what is kept"
            )
        assert self._aside is not None
        output = Output(self._record.port, self._total, file_digest(self._aside / "main" / ROWS))
        finished = finished_step(self._step, {MAIN: output}, account, {})
        seal(self._aside, finished)
        self._store.artifacts.adopt(self._aside, self._step.fingerprint)
        self.drop()
        return finished

    def _all(self, depths: Set[int]) -> bool:
        """Write the rest, and say whether what was written is surely what the step has, each row once and in its place."""
        step, in_one_go = self._step.fingerprint, not self._last
        with self._store.journal.reader() as journal, journal.snapshot():
            self._extend(journal, None)
            sure = journal.untouched(step, self._store.journal.inserted(step))
            if not sure and in_one_go:
                # While another run gives all rows places of its own kind, there are some of both.
                found = journal.depths(step)
                sure = (len(found) < 2 or found == depths) and journal.without_twins(step)
        assert self._writer is not None
        self._writer.close()
        self._total = self._writer.total
        return sure

    def drop(self) -> None:
        """Forget what was written aside."""
        if self._writer is not None:
            self._writer.abandon()
        if self._aside is not None:
            self._store.artifacts.discard(self._aside)
        self._writer, self._aside, self._last = None, None, ()

    def _begin(self) -> OutcomesWriter:
        self._aside = self._store.artifacts.begin(self._step.fingerprint)
        (self._aside / "main").mkdir()
        self._writer = OutcomesWriter(self._aside / "main" / ROWS, self._record)
        return self._writer
