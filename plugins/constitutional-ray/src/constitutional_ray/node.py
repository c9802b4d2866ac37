"""What runs on a node: one worker process for one job, watched until it ends.

Everything that the head should know is yielded as `(what, bytes)`, in this order:

    node                the node's id
    progress, log       what has been written since, while it is written
    file, mirrored      parts of a stream of files, and then the names of all that there are
    part                parts of the stream of results
    status              the worker's exit status, as the last
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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from constitutional.api import RunError
from constitutional_ray import cluster, mirror, parcel
from constitutional_ray.streams import ChunkReader, chunks_of

What: TypeAlias = Literal["node", "progress", "log", "file", "mirrored", "part", "status"]
Said: TypeAlias = tuple[What, bytes]

POLL_SECONDS = 0.2
GRACE_SECONDS = 10.0
#: Files of a job that grow while it runs, by what is said of them.
GROWING: Mapping[Literal["progress", "log"], str] = {"progress": "progress.jsonl", "log": "log.txt"}


@dataclass(frozen=True, slots=True)
class Order:
    """How a job is to be run."""

    #: What must be installed, by name.
    versions: Mapping[str, str]
    #: Where to unpack.
    scratch: str | None = None
    #: How often new checkpoints are brought home; None for never.
    mirror_seconds: float | None = None


def run_shared(job: str, order: Order) -> Iterator[Said]:
    """Run a job whose folder, and all that it reads, this node sees under the same paths."""
    cluster.same_as(order.versions)
    yield "node", _node()
    if not (Path(job) / "job.json").is_file():
        raise RunError(f"a node does not see {job}", help="leave `shared: true` out, and the job is sent there")
    process = _started(Path(job))
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
        yield "status", str(process.returncode).encode()
    finally:
        _end(process)


def run_sent(chunks: Sequence[Any], names: parcel.Names, order: Order) -> Iterator[Said]:
    """Run a job that comes as a parcel, and send home what it left."""
    import ray

    cluster.same_as(order.versions)
    yield "node", _node()
    root = Path(tempfile.mkdtemp(prefix="constitutional-", dir=order.scratch))
    try:
        parcel.unpack(ChunkReader(ray.get(chunk) for chunk in chunks), root)  # type: ignore[arg-type]
        job = parcel.settle(root, names)
        (job / GROWING["log"]).unlink(missing_ok=True)
        status = yield from _watched(job, order)
        yield from _packed(root, "part", lambda file: parcel.pack_results(root, names, file))
        yield "status", str(status).encode()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _node() -> bytes:
    import ray

    return str(ray.get_runtime_context().get_node_id()).encode()


def _watched(job: Path, order: Order) -> Generator[Said, None, int]:
    """Run the worker; what it writes on the way is yielded.  Returns its exit status."""
    copy = None if order.mirror_seconds is None else mirror.Mirror(job, order.mirror_seconds)
    process = _started(job)
    try:
        read: dict[Literal["progress", "log"], int] = dict.fromkeys(GROWING, 0)
        running = True
        while running:
            running = process.poll() is None
            for what, name in GROWING.items():
                if new := _new_bytes(job / name, read[what]):
                    read[what] += len(new)
                    yield what, new
            # A worker that has left an outcome needs its checkpoints no more.
            if copy is not None and (running or process.returncode < 0):
                yield from _mirrored(job, copy, last=not running)
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        _end(process)
    return process.returncode


def _mirrored(job: Path, copy: mirror.Mirror, last: bool) -> Iterator[Said]:
    new = copy.changed(last)
    if new:
        yield from _packed(job.parent, "file", lambda file: mirror.pack_files(job, new, file))
        yield "mirrored", mirror.said(copy.present())


def _packed(folder: Path, what: What, write: Callable[[IO[bytes]], None]) -> Iterator[Said]:
    aside = folder / "leaving.tar"
    with aside.open("wb") as file:
        write(file)
    for chunk in chunks_of(aside):
        yield what, chunk
    aside.unlink()


def _new_bytes(path: Path, read: int) -> bytes:
    """What was written since; of progress, whole lines."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        file.seek(read)
        new = file.read()
    return new if path.name == GROWING["log"] else new[: new.rfind(b"\n") + 1]


def _started(job: Path) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    with (job / GROWING["log"]).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "constitutional_ray.leash", str(job)], stdin=subprocess.PIPE,
            stdout=log, stderr=log, env=environment, start_new_session=True,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave no process behind: the task may have been cancelled."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.stdin is not None:
        process.stdin.close()
