"""A replica on Ray: the actor that holds the backend, and the head's hold on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from typing import Any

from constitutional.api import Request, Wrapped
from constitutional_ray import cluster
from constitutional_ray.pool import Lost

CLOSE_SECONDS = 10.0


class Holder:
    """Runs in the actor: one opened backend."""

    def __init__(self, of: Wrapped) -> None:
        self._backend = of.made()
        self._gate = asyncio.Semaphore(self._backend.parallel)

    async def open(self) -> None:
        await self._backend.open()

    async def ask(self, batch: Sequence[Any]) -> list[Any]:
        """Answer a batch of one sort; the next may arrive while it waits for the model."""
        async with self._gate:
            ask: Any = self._backend.generate if isinstance(batch[0], Request) else self._backend.choose
            return list(await ask(batch))

    async def stay(self) -> None:
        """Never return: whoever waits for this learns of the actor's death at once."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        await self._backend.close()


class RayReplica:
    """One actor, seen from the head."""

    def __init__(self, of: Wrapped, options: dict[str, Any]) -> None:
        import ray

        # Restarts are the pool's work: it knows what was in flight.
        self._actor = ray.remote(Holder).options(max_restarts=0, max_task_retries=0, **options).remote(of)

    async def open(self) -> None:
        await _told(self._actor.open.remote())

    async def ask(self, batch: Sequence[Any]) -> Sequence[Any]:
        return list(await _told(self._actor.ask.remote(list(batch))))

    async def gone(self) -> None:
        with contextlib.suppress(Lost):
            await _told(self._actor.stay.remote())

    async def close(self) -> None:
        import ray

        with contextlib.suppress(Exception):
            await asyncio.wait_for(_told(self._actor.close.remote()), CLOSE_SECONDS)
        ray.kill(self._actor)


async def _told(reference: Awaitable[Any]) -> Any:
    """What an actor said; its death is `Lost`, and an error of the backend is the error itself."""
    from ray import exceptions

    try:
        return await reference
    except cluster.losses() as error:
        raise Lost(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    except exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
