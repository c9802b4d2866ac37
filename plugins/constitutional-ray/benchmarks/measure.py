"""What Ray costs and gives on this machine: throughput by replicas, the cost of a call, the time to recover.

    python plugins/constitutional-ray/benchmarks/measure.py calls|throughput|rows|training

Each starts a cluster of its own, with nodes of one core on this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from constitutional_ray.replicas import Replicas, ReplicasParams
from tests.specs import AGENT, ON_RAY, SCRIPTED, placed, rows, train
from tests.support import cluster_of, ended, start, wait_for
from tests.test_killed import answered, checkpoints

from constitutional.api import Backend, Message, Request, Wrapped
from constitutional.builtin.backends.scripted import ScriptedBackend, ScriptedParams
from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

SCRIPT = Wrapped("scripted", ScriptedBackend, ScriptedParams.model_validate({"rules": [{"say": "yes, {last}"}]}))
#: Takes 0.2 s a batch and no core: what replicas give where a model has an accelerator of its own.
WAITING = Wrapped(
    "scripted", ScriptedBackend, ScriptedParams.model_validate({"rules": [{"say": "yes"}], "seconds": 0.2})
)
MODEL = Wrapped(
    "transformers",
    TransformersBackend,
    TransformersParams(model="builtin:support-agent", batch_size=8, dtype="float32"),
)


def requests(count: int, tokens: int = 32) -> list[Request]:
    said = "How do I return order {} that came broken, and when do I get my money back?"
    return [
        Request((Message("user", said.format(n)),), max_new_tokens=tokens, temperature=1.0, seed=n)
        for n in range(count)
    ]


async def seconds(backend: Backend, asked: Sequence[Request], size: int) -> float:
    """Seconds to answer, in batches of a size with as many under way as the backend takes, once it is open and warm."""
    gate = asyncio.Semaphore(backend.parallel)

    async def ask(batch: Sequence[Request]) -> None:
        async with gate:
            await backend.generate(batch)

    await backend.open()
    await asyncio.sleep(5.0)  # other replicas still load when the first can be asked
    await asyncio.gather(*[backend.generate(asked[:size]) for _ in range(backend.parallel)])
    began = time.perf_counter()
    await asyncio.gather(*[ask(asked[at : at + size]) for at in range(0, len(asked), size)])
    took = time.perf_counter() - began
    await backend.close()
    return took


def replicas(of: Wrapped, count: int) -> Replicas:
    return Replicas(ReplicasParams(of=of, replicas=count, placement="spread"))


@contextmanager
def two_nodes() -> Iterator[None]:
    """A cluster of two nodes of one core that this process has joined."""
    import ray

    with cluster_of(first=1, second=1) as nodes:
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield
        ray.shutdown()


def calls() -> None:
    """Calls of a model that takes no time: all that is left is Ray's."""
    with two_nodes():
        for size in (1, 8, 64):
            asked = requests(2000 if size == 1 else 20_000)
            bare = asyncio.run(seconds(ScriptedBackend(SCRIPT.params), asked, size))
            ours = asyncio.run(seconds(replicas(SCRIPT, 1), asked, size))
            print(
                f"batches of {size:2}: {len(asked) / ours:6.0f} calls/s, {(ours - bare) / len(asked) * 1e6:5.0f} us a call"
            )


def throughput() -> None:
    """The model in the box, one core a replica."""
    import torch

    torch.set_num_threads(1)
    with two_nodes():
        for of, asked in ((WAITING, requests(512)), (MODEL, requests(128))):
            for _ in range(3):
                took = [asyncio.run(seconds(of.made(), asked, 8))]
                took += [asyncio.run(seconds(replicas(of, count), asked, 8)) for count in (1, 2)]
                said = " ".join(f"{len(asked) / each:.1f}" for each in took)
                print(f"{of.path}: rows/s in this process, 1 replica, 2 replicas: {said}", flush=True)


def recovery_of_rows() -> None:
    """From the death of one node of two to answers from its replacement on a third."""
    for _ in range(3):
        with cluster_of(first=1, second=1, third=1) as nodes, tempfile.TemporaryDirectory() as folder:
            spec = rows(Path(folder, "spec"), placed(SCRIPTED % 0.2, replicas=1, batch_size=4), count=400)
            going = start(spec, Path(folder, "runs"), nodes)
            wait_for(lambda: answered(Path(folder, "runs")) > 40, going)
            home = used(nodes.address)
            nodes.kill(home)
            began, known = time.monotonic(), answered(Path(folder, "runs"))
            wait_for(lambda: answered(Path(folder, "runs")) > known + 8, going)  # noqa: B023
            print(
                f"rows: the replica on `{home}` was killed; {time.monotonic() - began:.1f} s to answers from another node"
            )
            going.terminate()
            ended(going, expect=130)


def used(address: str) -> str:
    """The name of the node on which a replica is."""
    from ray._raylet import GcsClient
    from ray.core.generated import autoscaler_pb2

    said = GcsClient(address=address).get_cluster_resource_state()
    state = autoscaler_pb2.GetClusterResourceStateReply.FromString(said).cluster_resource_state
    (busy,) = [n for n in state.node_states if n.total_resources.get("CPU", 0) > n.available_resources.get("CPU", 0)]
    return next(name for name in ("first", "second", "third") if name in busy.total_resources)


def recovery_of_training() -> None:
    """From the death of the node that trains to the first step after the last checkpoint, elsewhere."""
    with cluster_of(first=1, second=1) as nodes, tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "runs")
        spec = train(Path(folder, "spec"), AGENT % "builtin:support-agent", epochs=6)
        going = start(spec, root, nodes, *ON_RAY, "--set", "executor.resources={first: 1}")
        wait_for(lambda: checkpoints(root), going, 240)
        (progress,) = root.glob(".store/work/*/progress.jsonl")
        nodes.kill("first")
        began, size = time.monotonic(), progress.stat().st_size
        nodes.add("first")
        there = time.monotonic() - began
        wait_for(lambda: progress.stat().st_size > size, going, 240)
        again = time.monotonic() - began
        ended(going)
        print(f"training: another node joined after {there:.1f} s, the first step there after {again:.1f} s")


if __name__ == "__main__":
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (Ray's own spelling; 15 by default)
    known: Any = {"calls": calls, "throughput": throughput, "rows": recovery_of_rows, "training": recovery_of_training}
    known[sys.argv[1]]()
