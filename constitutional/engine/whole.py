"""Whole stages: run here in a thread, or in a process of their own.  The only place that starts a process."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from constitutional.engine import ranks
from constitutional.engine.context import Report
from constitutional.engine.inputs import Job
from constitutional.errors import StepFailed
from constitutional.plan.step import Step
from constitutional.ports import Flow
from constitutional.records import Record
from constitutional.source import Executor
from constitutional.stage import Outputs
from constitutional.store.columns import read_rows

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0
LOG_LINES = 15


async def run_isolated(
    job: Job, folder: Path, executor: Executor, step: Step, gives: Mapping[str, Flow], report: Report
) -> Outputs:
    """Run a whole stage through the executor and read back what it left.

    Raises:
        StepFailed: with the stage's own words, or the end of its log where it died without any.
    """
    _clear(folder)
    job.write(folder)
    told = _Told(folder / "progress.jsonl", report)
    following = asyncio.create_task(_follow(told))
    try:
        status = await executor.run_whole(folder, start_here)
    finally:
        following.cancel()
    told.read()
    return _outputs(folder, step, gives, status)


async def start_here(folder: Path) -> int:
    """Run a worker on this machine until it ends; cancelled, it is asked to stop and then made to."""
    environment = {
        **os.environ,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    with (folder / "log.txt").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "constitutional.engine.worker", str(folder), stdin=asyncio.subprocess.DEVNULL,
            stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await _stop(process)
            raise


async def _stop(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except ProcessLookupError:
        return
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _follow(told: _Told) -> None:
    while True:
        await asyncio.sleep(POLL_SECONDS)
        told.read()


class _Told:
    """What a worker says of its progress: each whole line once."""

    def __init__(self, path: Path, report: Report) -> None:
        self._path, self._report = path, report
        #: Bytes that were read, up to the end of a line.
        self._read = 0

    def read(self) -> None:
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            said = json.loads(line)
            self._report(said["done"], said["total"], **said["metrics"])


def _clear(folder: Path) -> None:
    """Forget an earlier attempt, but not its checkpoints and log."""
    folder.mkdir(parents=True, exist_ok=True)
    ranks.forget(folder)
    (folder / "progress.jsonl").unlink(missing_ok=True)
    shutil.rmtree(folder / "rows", ignore_errors=True)


def _outputs(folder: Path, step: Step, gives: Mapping[str, Flow], status: int) -> Outputs:
    path = ranks.left(folder)
    if not path.is_file():
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        raise StepFailed(step.name, f"its process ended ({how}) without a word; its log ends:\n{_tail(folder)}",
                         help=f"the whole log is {folder / 'log.txt'}; run again to go on from the last checkpoint")  # fmt: skip
    said: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "error" in said:
        where = f"the whole log is {folder / 'log.txt'}"
        if "traceback" in said:
            with (folder / "log.txt").open("a", encoding="utf-8") as log:
                log.write(said["traceback"])
        raise StepFailed(step.name, said["error"], help=f"{said['help']}; {where}" if said.get("help") else where)
    rows = {name: _Rows(folder / "rows" / f"{name or 'main'}.parquet", gives[name]) for name in said["rows"]}
    fates = {(fate, reason): count for fate, reason, count in said["fates"]}
    folders = {name: Path(made) for name, made in said["folders"].items()}
    return Outputs(rows=rows, folders=folders, figures=said["figures"], fates=fates)


class _Rows:
    """Rows that a worker left, read when they are needed."""

    def __init__(self, path: Path, record: Flow) -> None:
        self._path = path
        assert issubclass(record, Record)
        self._record = record

    def __iter__(self) -> Iterator[Record]:
        return read_rows(self._path, self._record)


def _tail(folder: Path) -> str:
    try:
        lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in lines[-LOG_LINES:])
