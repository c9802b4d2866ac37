"""A worker that does not outlive the task that started it.

`python -m constitutional_ray.leash FOLDER` is the engine's worker on a leash: when the other end of its standard input
closes, because the node's Ray was killed or has lost the head, the whole process group is killed.  Else a training whose
node counts as lost would go on beside its replacement, and hold the accelerator.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

WORKER = "constitutional.engine.worker"


def _hold() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_hold, daemon=True).start()
    sys.argv[0] = WORKER
    runpy.run_module(WORKER, run_name="__main__", alter_sys=True)
