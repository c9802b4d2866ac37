"""The executor: each whole stage on whichever node has what it needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from constitutional.api import ConstitutionalError, Executor, ExecutorParams, StepFailed
from constitutional_ray import cluster, mirror, node, parcel
from constitutional_ray.streams import ChunkWriter

#: Results that a node may have ready before the head has fetched them: bounds what lies in its object store.
UNFETCHED = 8


class JobsParams(ExecutorParams):
    """Parameters of the executor `ray/jobs`."""

    address: str = "auto"
    """The cluster: `auto` is the one that this machine belongs to (or RAY_ADDRESS), `local` starts one here for this run."""

    gpus: float = Field(default=0, ge=0)
    """GPUs for one stage, all on one node."""

    cpus: float = Field(default=1, ge=0)
    """CPUs for one stage; also how many threads it computes with, which changes the last digits of sums."""

    resources: dict[str, float] = Field(default_factory=dict)
    """Other resources that a node must have, by the names that they were given there."""

    accelerator: str | None = None
    """A sort of GPU that the node must have, as Ray names it: `H100`, `A100`."""

    placement: Literal["pack", "spread"] = "pack"
    """Where several nodes have room: `pack` prefers those in use, `spread` the others."""

    shared: bool = False
    """Every node sees the run folder and the models under the same paths, so nothing is sent."""

    scratch: str | None = None
    """Where a node unpacks what was sent; its own folder for temporary files if left out."""

    mirror_seconds: float | None = Field(default=30.0, gt=0)
    """How often new checkpoints are brought home, where nothing is shared; `null` for never."""

    retries: int = Field(default=2, ge=0)
    """How often a stage is started again, elsewhere if it can be, when its node or its process is lost."""

    wait_seconds: float = Field(default=600, ge=0)
    """How long to wait for another node when one was lost and the others are too small."""

    autoscaling: bool = False
    """The cluster starts nodes when they are asked for: what it lacks just now is no error."""


class RayJobs(Executor):
    """Run each whole stage on a node of a Ray cluster that has the resources; the head keeps journal and artifacts."""

    name, Params = "jobs", JobsParams
    params: JobsParams

    async def open(self) -> None:
        await cluster.join(self.params.address)
        if not self.params.autoscaling:
            await cluster.room_for(self._wanted())

    async def run_whole(self, job: Path, start: Callable[[Path], Awaitable[int]]) -> int:
        await cluster.join(self.params.address)
        attempt = _Attempt(job.resolve())
        for number in range(1, self.params.retries + 2):
            try:
                if not self.params.autoscaling:
                    await cluster.room_for(self._wanted(), seconds=self.params.wait_seconds)
                status = await self._run(attempt)
            except cluster.losses() as lost:
                attempt.lost(number, f"its node is lost ({type(lost).__name__})")
                continue
            if status >= 0 or (job / parcel.OUTCOME).is_file():
                return status
            attempt.lost(number, f"its process was killed by signal {-status}")
        hint = f"the log is {job / 'log.txt'}; run again to go on from the last checkpoint, or raise `retries`"
        raise StepFailed(attempt.step, f"it was lost {self.params.retries + 1} times: {attempt.why}", help=hint)

    async def _run(self, attempt: _Attempt) -> int:
        from ray import exceptions

        says = await asyncio.to_thread(self._send, attempt)
        try:
            return await attempt.hear(says)
        except asyncio.CancelledError:
            await asyncio.to_thread(_cancel, says)
            raise
        except exceptions.RayTaskError as error:
            cause = error.cause
            known = isinstance(cause, ConstitutionalError)
            raise StepFailed(attempt.step, f"a node could not run it: {cause}",
                             help=cause.help if known else cluster.INSTALL) from error  # fmt: skip

    def _wanted(self) -> dict[str, float]:
        p = self.params
        sort = {f"accelerator_type:{p.accelerator}": 0.001} if p.accelerator else {}
        asked = {"GPU": p.gpus, "CPU": p.cpus, **p.resources, **sort}
        return {name: count for name, count in asked.items() if count}

    def _send(self, attempt: _Attempt) -> Any:
        import ray

        p, job = self.params, attempt.job
        # Ray's own retries would repeat what has been heard already; the loop above starts over instead.
        options = {"num_cpus": p.cpus, "num_gpus": p.gpus, "resources": p.resources, "accelerator_type": p.accelerator,
                   "scheduling_strategy": "SPREAD" if p.placement == "spread" else "DEFAULT", "max_retries": 0,
                   "num_returns": "streaming", "_generator_backpressure_num_objects": UNFETCHED,
                   **self._elsewhere(attempt.avoided)}  # fmt: skip
        order = node.Order(cluster.versions(), p.scratch, p.mirror_seconds)
        if p.shared:
            return ray.remote(node.run_shared).options(**options).remote(str(job), order)
        names = parcel.names_of(job)
        writer = ChunkWriter(ray.put)
        parcel.pack(names, writer)  # type: ignore[arg-type]
        return ray.remote(node.run_sent).options(**options).remote(writer.finish(), names, order)

    def _elsewhere(self, avoided: set[str]) -> dict[str, Any]:
        """Keep off the nodes where it was lost, where others are large enough."""
        wanted = self._wanted()
        others = [name for name, there in cluster.nodes().items() if cluster.fitting(wanted, there)]
        if not avoided.intersection(others) or avoided.issuperset(others):
            return {}
        return {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(avoided))})"}}


class _Attempt:
    """One job at home: what the nodes that run it say, and where it was lost."""

    def __init__(self, job: Path) -> None:
        self.job = job
        self.step = str(json.loads((job / "job.json").read_text(encoding="utf-8"))["step"])
        self.avoided: set[str] = set()
        self.why = ""
        self._node = ""
        self._arriving = job / "arriving.tar"

    def lost(self, number: int, why: str) -> None:
        """Remember where the job was lost, and say it in its log."""
        self.why = why
        self.avoided |= {self._node} if self._node else set()
        where = f" on node {self._node}" if self._node else ""
        _append(self.job / node.GROWING["log"], f"[ray] attempt {number}{where}: {why}\n".encode())

    async def hear(self, says: Any) -> int:
        """Take what a node says until it ends, and return the worker's exit status."""
        self._node = ""
        self._arriving.unlink(missing_ok=True)
        status = -1
        async for reference in says:
            what, said = await reference
            if what == "status":
                status = int(said)
            else:
                await asyncio.to_thread(self._take, what, said)
        if self._arriving.exists():
            await asyncio.to_thread(self._results)
        return status

    def _take(self, what: node.What, said: bytes) -> None:
        if what == "node":
            self._node = said.decode()
        elif what == "progress" or what == "log":
            _append(self.job / node.GROWING[what], said)
        elif what == "mirrored":
            with self._arriving.open("rb") as file:
                mirror.settle_files(self.job, file, mirror.heard(said))
            self._arriving.unlink()
        else:
            _append(self._arriving, said)

    def _results(self) -> None:
        with self._arriving.open("rb") as file:
            parcel.unpack(file, self.job)
        self._arriving.unlink()


def _append(path: Path, said: bytes) -> None:
    with path.open("ab") as file:
        file.write(said)


def _cancel(says: Any) -> None:
    import ray

    ray.cancel(says)
