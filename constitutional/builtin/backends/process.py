"""A server's process: started on a free port, felt until it is ready, its words kept in a log, ended with the run."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from constitutional.api import RunError, printable

GUARD = Path(__file__).with_name("guard.py")
LOG = "server.log"
#: Seconds between two looks at a server that is starting.
LOOK = 0.2
#: Seconds that a server has to end by itself, and a little more for the guard to notice.
PATIENCE = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """One run of a command that serves."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / LOG
        self._began = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            # The words are the user's own spec; no shell reads them.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, str(GUARD), *command], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **environ}, start_new_session=True,
            )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    async def ready(self, url: str, seconds: float) -> None:
        """Wait until `url` answers 200.

        Raises:
            RunError: with the last lines of the log, if the server ends first or takes too long.
        """
        end = time.monotonic() + seconds
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5.0), trust_env=False) as session:
            while time.monotonic() < end:
                if not self.alive:
                    raise RunError(f"the server ended with code {self._process.returncode} before it was ready:\n{self.last_words()}",
                                   help=f"the whole log is {self.log}")  # fmt: skip
                if await _answers(session, url):
                    return
                await asyncio.sleep(LOOK)
        await self.stop()
        raise RunError(f"the server was not ready after {seconds:g} s:\n{self.last_words()}",
                       help=f"give it more time with `ready_seconds`; the whole log is {self.log}")  # fmt: skip

    def last_words(self, lines: int = 12) -> str:
        """The end of what this process has said."""
        with self.log.open("rb") as log:
            log.seek(max(self._began, self.log.stat().st_size - 8192))
            said = log.read().decode("utf-8", "replace")
        return (
            printable("\n".join(f"    {line}" for line in said.strip().splitlines()[-lines:]))
            or "    (it said nothing)"
        )

    async def stop(self) -> None:
        """End the server and wait until it has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        end = time.monotonic() + PATIENCE
        while self.alive and time.monotonic() < end:
            await asyncio.sleep(0.05)
        if self.alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
