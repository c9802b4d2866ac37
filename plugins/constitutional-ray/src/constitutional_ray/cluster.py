"""The cluster: joining it, how much room it has, and what Ray says when something in it is gone.

Ray is imported inside functions only.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from constitutional.api import RunError, UserError

#: How often to look whether a node has come.
LOOK_SECONDS = 1.0
CONNECT_SECONDS = 5.0
#: Modules of plugins that are a file beside the spec: no node can import them by name.
LOCAL_PLUGIN = "constitutional_local_"
INSTALL = "constitutional, constitutional-ray and the spec's plugins must be installed on every node"
JOIN = "let this machine join with `ray start --address=HEAD:6379 --num-cpus=0`, and write `address: auto`"
START = "start one with `ray start --head`, name it with `address` or RAY_ADDRESS, or write `address: local`"

Resources: TypeAlias = Mapping[str, float]


async def join(address: str) -> None:
    """Connect to the cluster at `address`; nothing where this process is connected already.

    Raises:
        UserError: if there is none.
    """
    if address.startswith("ray://"):
        raise UserError(f"`address: {address}` is a Ray client, which cannot stream what nodes say", help=JOIN)
    # In a thread, because on the main thread Ray takes SIGTERM away from the engine.
    await asyncio.to_thread(_join, address)


def _join(address: str) -> None:
    import ray

    if ray.is_initialized():
        return
    if address != "local":
        _listens(_place(address))
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, TimeoutError, ValueError, RuntimeError) as error:
        raise UserError(f"there is no Ray cluster at `{address}` to join: {_first_line(error)}", help=START) from error


def _place(address: str) -> str:
    """`HOST:PORT` of the cluster's head, as Ray itself would find it."""
    import ray

    if address != "auto":
        return address
    if said := os.environ.get("RAY_ADDRESS"):
        return said
    last = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # where `ray start` leaves it
    if last.is_file():
        return last.read_text(encoding="utf-8").strip()
    raise UserError(f"no Ray {ray.__version__} cluster has been started on this machine", help=START)


def _listens(place: str) -> None:
    """Ray would wait for minutes, and then end this process."""
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise UserError(f"there is no Ray cluster at `{place}`: {error}", help=START) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def losses() -> tuple[type[BaseException], ...]:
    """What Ray raises when a node, a worker or what it held is gone: the same question may be put again elsewhere."""
    from ray import exceptions as said

    return (said.RayActorError, said.WorkerCrashedError, said.NodeDiedError, said.ObjectLostError,
            said.OutOfMemoryError, said.LocalRayletDiedError)  # fmt: skip


# -- room ----------------------------------------------------------------------------------------------------------------


def nodes() -> dict[str, Resources]:
    """What each living node has in all, busy or not, by the node's id."""
    import ray

    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def fitting(each: Resources, node: Resources) -> int:
    """How many of `each` a node holds when nothing else is on it."""
    return min((_times(name, count, node.get(name, 0)) for name, count in each.items() if count), default=sys.maxsize)


def _times(name: str, count: float, there: float) -> int:
    # Ray never lays a part of a GPU on two: 0.4 goes twice into each.
    if name == "GPU" and count < 1:
        return math.floor(1 / count + 1e-9) * math.floor(there)
    return math.floor(there / count + 1e-9)


async def room_for(each: Resources, times: int = 1, seconds: float = 0.0) -> None:
    """Wait until the cluster's nodes are enough, be they busy or not; new ones may be on their way.

    Raises:
        UserError: if they are not after `seconds`, with what there is.
    """
    until = time.monotonic() + seconds
    while True:
        there = await asyncio.to_thread(nodes)
        room = sum(min(times, fitting(each, node)) for node in there.values())
        if room >= times:
            return
        if time.monotonic() >= until:
            raise too_small(each, times, room, list(there.values()))
        await asyncio.sleep(LOOK_SECONDS)


def too_small(each: Resources, times: int, room: int, there: Sequence[Resources]) -> UserError:
    """The error that says what was asked for and what there is."""
    asked = f"a node with {worded(each)}" if times == 1 else f"{times} times {worded(each)}, each on one node"
    held = "none is" if room == 0 else f"only {room} would fit"
    return UserError(f"the cluster is too small for {asked}: {held}; it has {_worded_nodes(there, each)}",
                     help="ask for less, start more nodes, or write `autoscaling: true` where it grows on demand")  # fmt: skip


def worded(resources: Resources) -> str:
    """`2 GPU and 8 CPU`."""
    return " and ".join(f"{count:g} {name}" for name, count in resources.items() if count) or "no resources"


def _worded_nodes(there: Sequence[Resources], wanted: Resources) -> str:
    each = [" and ".join(f"{node.get(name, 0):g} {name}" for name in wanted) or "nothing" for node in there]
    counted = [f"{each.count(said)} node{'s' * (each.count(said) > 1)} with {said}" for said in dict.fromkeys(each)]
    return ", ".join(counted) or "no nodes"


# -- code ----------------------------------------------------------------------------------------------------------------


def carry(cls: type[Any]) -> None:
    """Let a class of a plugin that is one file travel as a whole, since no node can import it."""
    from ray import cloudpickle

    if cls.__module__.startswith(LOCAL_PLUGIN):
        cloudpickle.register_pickle_by_value(sys.modules[cls.__module__])


def versions() -> dict[str, str]:
    """What must be the same here and on every node; Ray itself sees to Python and to Ray."""
    from importlib.metadata import version

    return {name: version(name) for name in ("constitutional", "constitutional-ray")}


def same_as(head: Mapping[str, str]) -> None:
    """Refuse a node whose code is another than the head's.

    Raises:
        RunError: with both versions.
    """
    here = versions()
    for name, wanted in head.items():
        if here[name] != wanted:
            raise RunError(f"a node has {name} {here[name]}, the head has {wanted}",
                           help=f"pip install {name}=={wanted} on every node")  # fmt: skip
