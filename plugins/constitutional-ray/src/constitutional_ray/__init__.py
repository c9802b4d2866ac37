"""Ray for constitutional: trainers on any node of a cluster, and many replicas of one model."""

from __future__ import annotations

from constitutional.api import hookimpl
from constitutional_ray.jobs import RayJobs
from constitutional_ray.replicas import Replicas


@hookimpl
def constitutional_executors() -> list[type[RayJobs]]:
    return [RayJobs]


@hookimpl
def constitutional_backends() -> list[type[Replicas]]:
    return [Replicas]
