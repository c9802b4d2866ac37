"""The cluster: joining it, and what it says when something in it is gone.  Ray is imported inside functions only."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Any

from constitutional.api import RunError, UserError

#: How long a look at the cluster's resources is worth.
LOOK_SECONDS = 2.0
#: Modules of plugins that are a file beside the spec: no node can import them by name.
LOCAL_PLUGIN = "constitutional_local_"


async def join(address: str) -> None:
    """Connect to the cluster at `address`; nothing where this process is connected already.

    Raises:
        UserError: if there is none.
    """
    # In a thread, because on the main thread Ray takes SIGTERM away from the engine.
    await asyncio.to_thread(_join, address)


def _join(address: str) -> None:
    import ray

    if ray.is_initialized():
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise UserError(
            f"there is no Ray cluster at `{address}`: {error}",
            help="start one with `ray start --head`, or write `address: local` to use this machine alone",
        ) from error


def losses() -> tuple[type[BaseException], ...]:
    """What Ray raises when a node, a worker or what it held is gone: the same question may be put again elsewhere."""
    from ray import exceptions as said

    return (said.RayActorError, said.WorkerCrashedError, said.NodeDiedError, said.ObjectLostError,
            said.OutOfMemoryError, said.LocalRayletDiedError)  # fmt: skip


async def room_for(wanted: Mapping[str, float], seconds: float) -> None:
    """Wait until some node is large enough; nodes may still be on their way.

    Raises:
        RunError: if there is none after `seconds`, with what the largest has.
    """
    import ray

    until = time.monotonic() + seconds
    while True:
        nodes = [node["Resources"] for node in await asyncio.to_thread(ray.nodes) if node["Alive"]]
        if any(all(node.get(name, 0) >= count for name, count in wanted.items()) for node in nodes):
            return
        if time.monotonic() > until:
            raise RunError(f"no node of the cluster has {worded(wanted)}; there are {_worded_nodes(nodes, wanted)}",
                           help="ask for less, or start a larger node")  # fmt: skip
        await asyncio.sleep(LOOK_SECONDS)


def worded(resources: Mapping[str, float]) -> str:
    """`2 GPU and 8 CPU`."""
    return " and ".join(f"{count:g} {name}" for name, count in resources.items() if count) or "no resources"


def _worded_nodes(nodes: list[dict[str, float]], wanted: Mapping[str, float]) -> str:
    each = [worded({name: node.get(name, 0) for name in wanted}) for node in nodes]
    return ", ".join(f"{each.count(node)} with {node}" for node in dict.fromkeys(each)) or "none"


def carry(cls: type[Any]) -> None:
    """Let a class of a plugin that is one file travel as a whole, since no node can import it."""
    from ray import cloudpickle

    if cls.__module__.startswith(LOCAL_PLUGIN):
        cloudpickle.register_pickle_by_value(sys.modules[cls.__module__])
