"""The executor: each whole stage on whichever node has what it needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from constitutional.api import Executor, ExecutorParams, StepFailed
from constitutional_ray import cluster, node, parcel
from constitutional_ray.streams import ChunkWriter

#: Results that a node may have ready before the head has fetched them: bounds what lies in its object store.
UNFETCHED = 8


class RayExecutorParams(ExecutorParams):
    """Parameters of the executor `ray`."""

    address: str = "auto"
    """The cluster: `auto` is the one that this machine belongs to, `local` starts one here for this run."""

    gpus: float = Field(default=0, ge=0)
    """GPUs for one stage, all on one node."""

    cpus: float = Field(default=1, ge=0)
    """CPUs for one stage."""

    resources: dict[str, float] = Field(default_factory=dict)
    """Other resources that a node must have, by name."""

    files: Literal["sent", "shared"] = "sent"
    """`sent`: inputs and results travel through Ray; `shared`: every node sees the run folder under the same path."""

    scratch: str | None = None
    """Where a node unpacks what was sent; the node's own folder for temporary files if left out."""

    retries: int = Field(default=2, ge=0)
    """How often a stage is started anew on another node when its node is lost."""

    wait_seconds: float = Field(default=600, ge=0)
    """How long to wait for a node that is large enough."""


class RayExecutor(Executor):
    """Run each whole stage on a node of a Ray cluster that has the resources; the head keeps journal and artifacts."""

    name, Params = "ray", RayExecutorParams
    params: RayExecutorParams

    async def run_whole(self, job: Path, start: Callable[[Path], Awaitable[int]]) -> int:
        await cluster.join(self.params.address)
        await cluster.room_for(self._wanted(), self.params.wait_seconds)
        for attempt in range(self.params.retries + 1):
            try:
                return await self._attempt(job.resolve())
            except cluster.losses() as lost:
                _note(job, f"attempt {attempt + 1}: the node was lost: {lost}")
        raise StepFailed(_step(job), f"its node was lost {self.params.retries + 1} times",
                         help=f"the log is {job / node.LOG}; run again to go on, or raise `retries`")  # fmt: skip

    async def _attempt(self, job: Path) -> int:
        from ray import exceptions

        says = await asyncio.to_thread(self._send, job)
        try:
            return await _heard(says, job)
        except asyncio.CancelledError:
            await asyncio.to_thread(_cancel, says)
            raise
        except exceptions.RayTaskError as error:
            raise StepFailed(_step(job), f"the node could not run it: {error.cause}",
                             help="constitutional, constitutional-ray and the spec's plugins must be installed on every node") from error  # fmt: skip

    def _wanted(self) -> Mapping[str, float]:
        asked = {"GPU": self.params.gpus, "CPU": self.params.cpus, **self.params.resources}
        return {name: count for name, count in asked.items() if count}

    def _send(self, job: Path) -> Any:
        import ray

        # Ray's own retries would repeat what has been heard already; the loop above starts over instead.
        place = {"num_cpus": self.params.cpus, "num_gpus": self.params.gpus, "resources": self.params.resources,
                 "max_retries": 0, "num_returns": "streaming", "_generator_backpressure_num_objects": UNFETCHED}  # fmt: skip
        if self.params.files == "shared":
            return ray.remote(node.run_shared).options(**place).remote(str(job))
        names = parcel.names_of(job)
        writer = ChunkWriter(ray.put)
        parcel.pack(names, writer)  # type: ignore[arg-type]
        return ray.remote(node.run_sent).options(**place).remote(writer.finish(), names, self.params.scratch)


async def _heard(says: Any, job: Path) -> int:
    """Take what the node says until it ends: progress and log as they come, results at the end."""
    (job / node.PROGRESS).unlink(missing_ok=True)
    parts = job / "results.tar"
    parts.unlink(missing_ok=True)
    status = -1
    async for reference in says:
        what, said = await reference
        if what == "status":
            status = int(said)
        else:
            await asyncio.to_thread(_append, parts if what == "part" else job / what, said)
    if parts.exists():
        await asyncio.to_thread(_unpack, parts, job)
    return status


def _append(path: Path, said: bytes) -> None:
    with path.open("ab") as file:
        file.write(said)


def _unpack(parts: Path, job: Path) -> None:
    with parts.open("rb") as file:
        parcel.unpack(file, job)
    parts.unlink()


def _cancel(says: Any) -> None:
    import ray

    ray.cancel(says)


def _note(job: Path, said: str) -> None:
    _append(job / node.LOG, f"[ray] {said}\n".encode())


def _step(job: Path) -> str:
    return str(json.loads((job / "job.json").read_text(encoding="utf-8"))["step"])
