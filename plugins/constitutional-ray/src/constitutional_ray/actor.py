"""A replica on Ray: the actor that holds the backend, and the head's hold on it."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constitutional.api import ChoiceRequest, Request, RunError, Wrapped
from constitutional_ray import cluster
from constitutional_ray.baggage import Baggage, Unpacked
from constitutional_ray.pool import Lost

CLOSE_SECONDS = 10.0
#: What Ray says of an actor that could not even be made: another start would not help.
NEVER_MADE = "creation task"


@dataclass(frozen=True, slots=True)
class Passport:
    """All that a replica needs to be opened on any node."""

    of: Wrapped
    versions: Mapping[str, str]
    baggage: Baggage | None = None
    scratch: str | None = None


class Holder:
    """Runs in the actor: one opened backend."""

    def __init__(self, passport: Passport) -> None:
        cluster.same_as(passport.versions)
        self._of = passport.of
        self._unpacked = Unpacked(passport.baggage, passport.scratch) if passport.baggage else None
        self._backend: Any = None
        self._gate = asyncio.Semaphore(1)
        self._notices: list[str] = []

    async def open(self) -> None:
        """Fetch what the model has on disk, and load it."""
        if self._unpacked is not None:
            await asyncio.to_thread(self._unpacked.take)
            self._of = self._unpacked.of(self._of)
        self._backend = self._of.made()
        self._backend.notice = self._notices.append
        self._backend.workdir = Path(tempfile.mkdtemp(prefix="constitutional-server-"))
        self._gate = asyncio.Semaphore(self._backend.parallel)
        await self._backend.open()

    async def ask(self, batch: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Answer a batch of one sort; the next may arrive while it waits for the model.  Also what the backend notes."""
        async with self._gate:
            ways = {Request: self._backend.generate, ChoiceRequest: self._backend.choose}
            answers = list(await ways.get(type(batch[0]), self._backend.weigh)(batch))
        notices = list(self._notices)
        self._notices.clear()
        return answers, notices

    async def stay(self) -> None:
        """Never return: whoever waits for this learns of the actor's death at once."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        if self._backend is not None:
            await self._backend.close()
        if self._unpacked is not None:
            await asyncio.to_thread(self._unpacked.leave)


class RayReplica:
    """One actor, seen from the head."""

    def __init__(self, passport: Any, options: Mapping[str, Any], notice: Any) -> None:
        import ray

        self._notice = notice
        # Restarts are the pool's work: it knows what was in flight.
        self._actor = ray.remote(Holder).options(max_restarts=0, max_task_retries=0, **options).remote(passport)

    async def open(self) -> None:
        await _told(self._actor.open.remote())

    async def ask(self, batch: Sequence[Any]) -> Sequence[Any]:
        answers, notices = await _told(self._actor.ask.remote(list(batch)))
        for said in notices:
            self._notice(said)
        return list(answers)

    async def gone(self) -> None:
        with contextlib.suppress(Lost):
            await _told(self._actor.stay.remote())

    async def close(self) -> None:
        import ray

        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await _told(self._actor.close.remote())
        ray.kill(self._actor)


async def _told(reference: Awaitable[Any]) -> Any:
    """What an actor said; its death is `Lost`, and an error of the backend is the error itself."""
    from ray import exceptions

    try:
        return await reference
    except cluster.losses() as error:
        if NEVER_MADE in str(error):
            last = str(error).strip().splitlines()[-1]
            raise RunError(f"a node cannot start a replica: {last}", help=cluster.INSTALL) from error
        raise Lost(next(iter(str(error).strip().splitlines()), type(error).__name__)) from error
    except exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
