"""Clusters of several nodes on this machine, runs of specs on them, and nodes that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOOL = [sys.executable, "-m", "constitutional.cli.main"]
#: One thread everywhere: sums in another order differ in their last digit.
ENVIRON = {"OMP_NUM_THREADS": "1", "RAY_DEDUP_LOGS": "0", "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0"}
#: A node counts as dead after so long without a sign of life, not after half a minute.
QUICK = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}


class Nodes:
    """A cluster whose head runs nothing, with nodes that come and go."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ.update(ENVIRON)
        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": QUICK, "include_dashboard": False}
        )
        self.address = str(self._cluster.address)
        self._nodes: dict[str, Any] = {}

    def add(self, name: str, cpus: int = 1, **resources: float) -> None:
        """Start a node that has a resource of its own name."""
        node = self._cluster.add_node(num_cpus=cpus, resources={name: 100, **resources}, wait=True)
        self._nodes[name] = node

    def kill(self, name: str) -> None:
        """Kill a node at once, with all its processes."""
        node = self._nodes.pop(name)
        pids = [process.process.pid for several in node.all_processes.values() for process in several]
        for pid in pids:
            _kill_all(pid)
        self._cluster.remove_node(node, allow_graceful=False)

    def remove_all(self) -> None:
        for name in list(self._nodes):
            self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


def _kill_all(pid: int) -> None:
    """Kill a process and those of its descendants that are of its session, as a machine that is switched off would."""
    for child in _children(pid):
        _kill_all(child)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


@contextmanager
def cluster_of(**cpus: int) -> Iterator[Nodes]:
    """A cluster with nodes of these names."""
    nodes = Nodes()
    try:
        for name, count in cpus.items():
            nodes.add(name, count)
        yield nodes
    finally:
        nodes.close()


def environ(nodes: Nodes | None) -> dict[str, str]:
    here = {**os.environ, **ENVIRON}
    here.pop("RAY_ADDRESS", None)
    return here if nodes is None else {**here, "RAY_ADDRESS": nodes.address}


def start(spec: Path, root: Path, nodes: Nodes | None, *more: str) -> subprocess.Popen[str]:
    """Begin a run of a spec, on the cluster or here."""
    return subprocess.Popen(
        [*TOOL, "run", str(spec), "--plain", "--root", str(root), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environ(nodes),
    )


def run(spec: Path, root: Path, nodes: Nodes | None = None, *more: str, expect: int = 0, seconds: float = 120) -> str:
    """Run a spec to its end; returns what it said."""
    return ended(start(spec, root, nodes, *more), expect, seconds)


def ended(process: subprocess.Popen[str], expect: int = 0, seconds: float = 240) -> str:
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"did not end; said:\n{process.communicate()[0]}") from None
    assert process.returncode == expect, said
    return said


def wait_for(what: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 120) -> Any:
    """Wait until something holds while a run goes on."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        if process.poll() is not None:
            raise AssertionError(f"the run has ended before; it said:\n{process.communicate()[0]}")
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"waited {seconds:g} s in vain; the run said:\n{process.communicate()[0]}")


def artifacts(root: Path) -> dict[str, str]:
    """Digest of every file of every finished step, by its path in the store."""
    store = root / ".store" / "artifacts"
    files = [path for path in store.rglob("*") if path.is_file() and "tmp" not in path.relative_to(store).parts]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def events(root: Path, name: str) -> list[Mapping[str, Any]]:
    path = root / name / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def finished(root: Path, name: str) -> dict[str, Mapping[str, Any]]:
    """The last word on each step that ran."""
    return {event["step"]: event for event in events(root, name) if event["type"] == "step_finished"}
