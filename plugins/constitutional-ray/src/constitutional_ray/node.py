"""What runs on a node: one worker process for one job, watched until it ends.

Everything that the head should know is yielded as `(what, bytes)`: lines of progress and log while they are written,
the exit status, and the results in parts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from constitutional_ray import parcel
from constitutional_ray.streams import ChunkReader, chunks_of

Said: TypeAlias = tuple[Literal["progress.jsonl", "log.txt", "status", "part"], bytes]

POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
LOG = "log.txt"
PROGRESS = "progress.jsonl"


def run_shared(job: str) -> Iterator[Said]:
    """Run a job whose folder, and all that it reads, this node sees under the same paths."""
    process = _started(Path(job))
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
        yield "status", str(process.returncode).encode()
    finally:
        _end(process)


def run_sent(chunks: Sequence[Any], names: parcel.Names, scratch: str | None) -> Iterator[Said]:
    """Run a job that comes as a parcel, and send home what it left."""
    import ray

    root = Path(tempfile.mkdtemp(prefix="constitutional-", dir=scratch))
    try:
        parcel.unpack(ChunkReader(ray.get(chunk) for chunk in chunks), root)  # type: ignore[arg-type]
        job = parcel.settle(root, names)
        (job / LOG).unlink(missing_ok=True)
        status = yield from _watched(job)
        with (root / "results.tar").open("wb") as file:
            parcel.pack_results(root, names, file)
        for chunk in chunks_of(root / "results.tar"):
            yield "part", chunk
        yield "status", str(status).encode()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _watched(job: Path) -> Iterator[Said]:
    """Run the worker; what it writes on the way is yielded."""
    process = _started(job)
    try:
        read = {PROGRESS: 0, LOG: 0}
        running = True
        while running:
            running = process.poll() is None
            for name in (PROGRESS, LOG):
                if new := _new_bytes(job / name, read[name]):
                    read[name] += len(new)
                    yield name, new  # type: ignore[misc]
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        _end(process)
    return process.returncode


def _new_bytes(path: Path, read: int) -> bytes:
    """Whole lines that were written since."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(read)
        new = file.read()
    return new if path.name == LOG else new[: new.rfind(b"\n") + 1]


def _started(job: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    with (job / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "constitutional.engine.worker", str(job)], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no process behind: the task may have been cancelled."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
