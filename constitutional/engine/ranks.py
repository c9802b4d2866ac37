"""Several processes for one whole stage: the worker starts itself again under torchrun, once for each of them.

Only rank 0 leaves an outcome, rows and progress.  Where another rank fails, it leaves its words beside: rank 0 is then ended
while it waits for it, or fails of nothing but its silence.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from constitutional.errors import RunError

#: Set for processes that torchrun started for us: how many there are.
MARK = "CONSTITUTIONAL_PROCESSES"
#: prctl's number for "send me this signal when my parent dies" (linux/prctl.h).
PR_SET_PDEATHSIG = 1


def started() -> bool:
    """Whether this is one of the processes that `start` asked torchrun for."""
    return MARK in os.environ


def rank() -> int:
    """Which of them this is; 0 where there is one."""
    return int(os.environ["RANK"]) if started() else 0


def start(folder: Path, processes: int) -> NoReturn:
    """Become torchrun, with this worker as what it runs: signals to this process reach all of them.

    `--standalone` finds a free port of this machine for each run.
    """
    os.environ[MARK] = str(processes)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        os.environ.pop(name, None)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(  # noqa: S606  (this very interpreter)
        sys.executable,
        [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}",
         "-m", "constitutional.engine.worker", str(folder)],
    )  # fmt: skip


def joined(processes: int) -> None:
    """See that as many processes were started as the stage asked for, and end when torchrun does.

    Raises:
        RunError: if their number is another.
    """
    if not started():
        return
    if int(os.environ.get("WORLD_SIZE", "1")) != processes:
        raise RunError(
            f"{processes} processes were asked for, but torchrun started {os.environ.get('WORLD_SIZE', '1')}"
        )
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def outcome(folder: Path) -> Path:
    """Where this process leaves what became of it."""
    return folder / ("outcome.json" if rank() == 0 else f"outcome.rank-{rank()}.json")


def left(folder: Path) -> Path:
    """What the engine reads: rank 0's outcome; where ranks failed, the first failure, since the others follow from it."""
    own = folder / "outcome.json"
    failed = list(folder.glob("outcome.rank-*.json"))
    if failed and own.is_file() and "error" in json.loads(own.read_text(encoding="utf-8")):
        failed.append(own)
    return min(failed, key=lambda path: path.stat().st_mtime_ns, default=own)


def forget(folder: Path) -> None:
    """Take away the outcomes of an earlier attempt."""
    for path in (folder / "outcome.json", *folder.glob("outcome.rank-*.json")):
        path.unlink(missing_ok=True)
