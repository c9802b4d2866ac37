"""A training in two processes that is killed, in part or as a whole, ends with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.trainers.support import contents
from tests.trainers.test_launch import TOOL, finish, specify

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the processes of a run in /proc"),
]


def below(pid: int) -> list[int]:
    """The processes that this one started, and those that they did."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def ranked(pids: list[int], rank: int) -> list[int]:
    """Those among them that train as this rank."""
    said = {pid: Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in pids}
    return [pid for pid, names in said.items() if f"RANK={rank}".encode() in names]


def reached(root: Path, step: int, running: subprocess.Popen[str]) -> None:
    """Wait for the folder of a checkpoint, be it whole or not."""
    while not any((folder / f"checkpoint-{step}").exists() for folder in root.glob("runs/.store/work/*/checkpoints")):
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.002)


def start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([*TOOL, "run", "spec.yaml", "--plain"], cwd=root, stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.STDOUT)  # fmt: skip


def kill_second(root: Path, step: int) -> None:
    """Kill the second process alone: the run fails, and no process of it stays."""
    running = start(root)
    reached(root, 2, running)
    group = below(running.pid)
    (second,) = ranked(group, 1)
    reached(root, step, running)
    os.kill(second, signal.SIGKILL)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 1, said
    assert not [pid for pid in group if Path(f"/proc/{pid}").exists()]


def kill_all(root: Path, step: int) -> None:
    """Kill the run with all that it started."""
    running = start(root)
    reached(root, step, running)
    for pid in [running.pid, *below(running.pid)]:
        os.kill(pid, signal.SIGKILL)
    running.communicate(timeout=60)


@pytest.mark.parametrize("name", ["sft", "process-reward"])
def test_two_processes_that_are_killed_end_with_the_same_bytes(name: str, model: Path, tmp_path: Path) -> None:
    """A process reward model has dropout in its head, so that each process' random state is part of what is gone on with."""
    more = {"epochs": 8, "checkpoint_every": 2, **({} if name == "sft" else {"eval_fraction": 0.0})}
    specify(tmp_path / "undisturbed", model, name, 2, **more)
    expected = contents(finish(tmp_path / "undisturbed"))
    specify(tmp_path / "killed", model, name, 2, **more)
    kill_second(tmp_path / "killed", 6)
    kill_all(tmp_path / "killed", 14)
    assert contents(finish(tmp_path / "killed")) == expected
