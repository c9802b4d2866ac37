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
    Likelihood,
    LikelihoodRequest,
    NotNow,
    Request,
    Unanswered,
    UserError,
    WrappingBackend,
    WrappingParams,
)
from constitutional_ray import cluster
from constitutional_ray.actor import Passport, RayReplica
from constitutional_ray.baggage import packed
from constitutional_ray.pool import Pool


class ReplicasParams(WrappingParams):
    """Parameters of `ray/replicas`."""

    replicas: int = Field(default=1, ge=1)
    """How many copies of the model."""

    gpus_per_replica: float = Field(default=0, ge=0)
    """GPUs for each; a fraction lets several share one."""

    cpus_per_replica: float = Field(default=1, gt=0)
    """CPUs for each; also how many threads it computes with."""

    placement: Literal["spread", "pack"] = "pack"
    """`pack` fills node after node; `spread` uses as many nodes as there are, so that one lost takes few with it."""

    batch_size: int | None = Field(default=None, ge=1)
    """Requests sent to a replica at once; as many as its backend wants if left out."""

    shared: bool = False
    """Every node sees the model's folder under the same path, so it is not sent."""

    scratch: str | None = None
    """Where a node unpacks the model's folder; its own folder for temporary files if left out."""

    address: str = "auto"
    """The cluster: `auto` is the one that this machine belongs to (or RAY_ADDRESS), `local` starts one here for this run."""

    autoscaling: bool = False
    """The cluster starts nodes when they are asked for: what it lacks just now is no error."""

    wait_seconds: float = Field(default=1800, gt=0)
    """How long to wait for resources that others use, and then for a replica to load."""

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
        self._passport: Any = None

    @property
    def batch_size(self) -> int:
        return self.params.batch_size or self.params.of.made().batch_size

    @property
    def parallel(self) -> int:
        return self._ahead * self.params.replicas

    @property
    def _ahead(self) -> int:
        """Batches at one replica: those at work, and one that is there when one of them is done."""
        return self.params.of.made().parallel + 1

    async def open(self) -> None:
        p = self.params
        await cluster.join(p.address)
        if not p.autoscaling:
            await cluster.room_for(self._each(), p.replicas)
        for kind in (p.of.cls, type(p.of.params)):
            cluster.carry(kind)
        await asyncio.to_thread(self._prepare)
        self._pool = Pool(self._replica, p.replicas, ahead=self._ahead, tries=p.tries, restarts=p.restarts,
                          open_seconds=p.wait_seconds, notice=self.notice)  # fmt: skip
        await self._pool.open()

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered | NotNow]:
        assert self._pool is not None
        return await self._pool.ask(batch)

    async def choose(self, batch: Sequence[ChoiceRequest]) -> Sequence[Choice | Unanswered | NotNow]:
        assert self._pool is not None
        return await self._pool.ask(batch)

    async def weigh(self, batch: Sequence[LikelihoodRequest]) -> Sequence[Likelihood | Unanswered | NotNow]:
        assert self._pool is not None
        return await self._pool.ask(batch)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None
        self._passport = None
        await asyncio.to_thread(self._give_back)

    # -- the cluster -------------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Set room aside for all replicas at once, so that two runs cannot starve each other half-way."""
        import ray
        from ray.util import placement_group

        p = self.params
        self._group = placement_group([self._each()] * p.replicas, strategy=p.placement.upper())
        if not self._group.wait(p.wait_seconds):
            self._give_back()
            raise UserError(
                f"the cluster has had no room for {p.replicas} replicas with {cluster.worded(self._each())} each for "
                f"{p.wait_seconds:g} s: others use it",
                help="wait, ask for fewer with `replicas`, or start more nodes",
            )
        baggage = None if p.shared else packed(p.of)
        self._passport = ray.put(Passport(p.of, cluster.versions(), baggage, p.scratch))

    def _give_back(self) -> None:
        from ray.util import remove_placement_group

        if self._group is not None:
            remove_placement_group(self._group)
            self._group = None

    def _each(self) -> dict[str, float]:
        each = {"GPU": self.params.gpus_per_replica, "CPU": self.params.cpus_per_replica}
        return {name: count for name, count in each.items() if count}

    def _replica(self, index: int) -> RayReplica:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        p = self.params
        place = PlacementGroupSchedulingStrategy(self._group, placement_group_bundle_index=index)
        options = {"num_gpus": p.gpus_per_replica, "num_cpus": p.cpus_per_replica, "scheduling_strategy": place}
        return RayReplica(self._passport, options, self.notice)
