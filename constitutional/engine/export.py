"""Export: the artifact of a running stream, written while it runs.

Rows become final in no particular order, but all below the first that is still under way are: they can be written.  So when
the last row is done, little is left to write, be the stream a thousand rows or a hundred million.
"""

from __future__ import annotations

from pathlib import Path

from constitutional.engine.account import Account
from constitutional.engine.finish import finished_step
from constitutional.plan.step import Step
from constitutional.ports import MAIN
from constitutional.records import Record
from constitutional.store.artifacts import ROWS, Finished, Output, file_digest, seal
from constitutional.store.columns import OutcomesWriter
from constitutional.store.folder import Store
from constitutional.store.journal import Order


class Export:
    """What is written of one step; its methods run in threads, one at a time."""

    def __init__(self, store: Store, step: Step, record: type[Record]) -> None:
        self._store = store
        self._step = step
        self._record = record
        self._aside: Path | None = None
        self._writer: OutcomesWriter | None = None
        self._last: Order = ()

    def extend(self, below: Order | None) -> None:
        """Write the rows before a place, or all that there are."""
        writer = self._writer or self._begin()
        with self._store.journal.reader() as journal:
            for place, lines in journal.lines(self._step.fingerprint, self._last, below):
                writer.write_lines(lines.split(b"\n"))
                self._last = place

    def finish(self, account: Account) -> Finished:
        """Write the rest and put the artifact in its place."""
        total = self._all()
        if total != account.rows_out:
            # Another process gave the same rows other places meanwhile.
            self.drop()
            with self._store.journal.reader() as journal:
                journal.keep_last(self._step.fingerprint)
            total = self._all()
        assert self._aside is not None
        output = Output(self._record.port, total, file_digest(self._aside / "main" / ROWS))
        finished = finished_step(self._step, {MAIN: output}, account, {})
        seal(self._aside, finished)
        self._store.artifacts.adopt(self._aside, self._step.fingerprint)
        self.drop()
        return finished

    def _all(self) -> int:
        """Write the rest, and say how many rows there are."""
        self.extend(None)
        assert self._writer is not None
        self._writer.close()
        return self._writer.total

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
