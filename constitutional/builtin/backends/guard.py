"""Runs a command and ends it when whoever started this is gone: `python guard.py COMMAND...`, with a pipe as its input.

A server must not outlive the run that needed it, even where that run was killed: the pipe closes then, and the command and
all it started are ended.  Standard library alone, since it is run as a file and must start at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 10.0


def main() -> int:
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603  (it is what this is for)
    signal.signal(signal.SIGTERM, lambda number, frame: _end(process))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(process,), daemon=True).start()
    return process.wait()


def _watch(process: subprocess.Popen[bytes]) -> None:
    while os.read(0, 1):
        continue
    _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, and do not ask twice."""
    threading.Thread(target=_kill_later, args=(process,), daemon=True).start()
    _signal(process, signal.SIGTERM)


def _kill_later(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    sys.exit(main())
