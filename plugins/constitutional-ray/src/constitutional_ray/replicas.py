"""Many copies of one model, each in an actor of its own, behind one backend."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from constitutional.api import (
    BackendParams,
    Choice,
    ChoiceRequest,
    Completion,
    Request,
    RunError,
    Unanswered,
    WrappingBackend,
    WrappingParams,
)
from constitutional_ray import cluster
from constitutional_ray.actor import RayReplica
from constitutional_ray.pool import Pool

#: Batches at one replica: one at work, one that is there when the first is done.
AHEAD = 2


class ReplicasParams(WrappingParams):
    """Parameters of `ray/replicas`."""

    replicas: int = Field(default=1, ge=1)
    """How many copies of the model."""

    gpus_per_replica: float = Field(default=0, ge=0)
    """GPUs for each; a fraction lets several share one."""

    cpus_per_replica: float = Field(default=1, ge=0)
    """CPUs for each; also how many threads it computes with."""

    placement: Literal["spread", "pack"] = "pack"
    """`pack` fills node after node; `spread` uses as many nodes as there are, so that one lost takes few with it."""

    batch_size: int | None = Field(default=None, ge=1)
    """Requests sent to a replica at once; as many as its backend wants if left out."""

    address: str = "auto"
    """The cluster: `auto` is the one that this machine belongs to, `local` starts one here for this run."""

    wait_seconds: float = Field(default=1800, gt=0)
    """How long to wait for the resources, and then for a replica to load."""

    tries: int = Field(default=4, ge=1)
    """How many replicas may die on a batch before it is cut in halves, to find the row that kills them."""

    restarts: int = Field(default=3, ge=0)
    """How often in a row a replica is started anew without having answered anything."""


class Replicas(WrappingBackend):
    """Ask as many copies of a model as the cluster has room for; the least busy one answers.

    What decides an answer is the model inside, so a run with replicas and one without share the journal.
    """

    name, version, Params = "replicas", 1, ReplicasParams
    params: ReplicasParams

    def __init__(self, params: BackendParams) -> None:
        super().__init__(params)
        self._pool: Pool | None = None
        self._group: Any = None

    @property
    def batch_size(self) -> int:
        return self.params.batch_size or self.params.of.made().batch_size

    @property
    def parallel(self) -> int:
        return AHEAD * self.params.replicas

    async def open(self) -> None:
        p = self.params
        await cluster.join(p.address)
        for kind in (p.of.cls, type(p.of.params)):
            cluster.carry(kind)
        await asyncio.to_thread(self._reserve)
        self._pool = Pool(self._replica, p.replicas, ahead=AHEAD, tries=p.tries, restarts=p.restarts,
                          open_seconds=p.wait_seconds)  # fmt: skip
        await self._pool.open()

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        assert self._pool is not None
        return await self._pool.ask(batch)

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered]:
        assert self._pool is not None
        return await self._pool.ask(batch)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        await asyncio.to_thread(self._give_back)

    # -- the cluster -------------------------------------------------------------------------------------------------

    def _reserve(self) -> None:
        """Set room aside for all replicas at once, so that two runs cannot starve each other half-way."""
        from ray.util import placement_group

        p = self.params
        each = {name: count for name, count in self._each().items() if count}
        self._group = placement_group([each] * p.replicas, strategy=p.placement.upper())
        if not self._group.wait(p.wait_seconds):
            self._give_back()
            raise RunError(f"the cluster has no room for {p.replicas} replicas with {cluster.worded(each)} each",
                           help="ask for fewer with `replicas`, or start more nodes")  # fmt: skip

    def _give_back(self) -> None:
        from ray.util import remove_placement_group

        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

    def _each(self) -> dict[str, float]:
        return {"GPU": self.params.gpus_per_replica, "CPU": self.params.cpus_per_replica}

    def _replica(self, index: int) -> RayReplica:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        p = self.params
        place = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=index)
        return RayReplica(p.of, {"num_gpus": p.gpus_per_replica, "num_cpus": p.cpus_per_replica,
                                 "scheduling_strategy": place})  # fmt: skip
