"""A whole stage in several processes: torchrun really starts them, the first one writes, and a failure of any is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

TOOL = [sys.executable, "-m", "constitutional.cli.main"]
PLUGIN = """
import os, time
from pathlib import Path
from constitutional.api import MAIN, Demonstration, Outputs, Port, Prompt, StageParams, WholeStage, hookimpl

class Together(WholeStage):
    '''Sums the ranks of its processes.'''
    kind, name, isolated = "transform", "together", True
    takes = {"prompts": Port(Prompt, many=True)}

    class Params(StageParams):
        how: str = "well"
        count: int = 2

    @classmethod
    def gives(cls, params):
        return {MAIN: Demonstration}

    @classmethod
    def processes(cls, params):
        return params.count

    def run(self, inputs, ctx):
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        (Path(os.environ["SEEN"]) / f"{rank}.pid").write_text(str(os.getpid()))
        total = rank
        if world > 1:
            import torch
            torch.distributed.init_process_group("gloo")
            if self.params.how == "raise" and rank == 1:
                raise ValueError("the second had enough")
            if self.params.how == "wait":
                time.sleep(600)
            summed = torch.tensor([rank + 1])
            torch.distributed.all_reduce(summed)
            total = int(summed)
            torch.distributed.destroy_process_group()
        ctx.progress(1, 1, rank=rank)
        made = [Demonstration(row_id=r.row_id, prompt=r.prompt, completion=str(rank)) for r in inputs.rows("prompts")]
        return Outputs(rows={MAIN: made}, figures={"total": total, "world": world})

@hookimpl
def constitutional_stages():
    return [Together]
"""


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "mine.py").write_text(PLUGIN)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"p{n}"}) + "\n" for n in range(3)))

    def start_it(how: str = "well", count: int = 2) -> subprocess.Popen[str]:
        (tmp_path / "spec.yaml").write_text(
            "constitutional: 1\nname: whole\nplugins: [./mine.py]\ndata:\n  prompts: {source: jsonl, path: prompts.jsonl}\n"
            f"stages:\n  both: {{transform: mine/together, prompts: prompts, with: {{how: {how}, count: {count}}}}}\n"
        )
        return subprocess.Popen([*TOOL, "run", "spec.yaml", "--plain"], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.STDOUT, env={**os.environ, "SEEN": str(tmp_path), "RANK": "7"})  # fmt: skip

    return start_it


def figures(folder: Path) -> dict[str, int]:
    said: dict[str, int] = json.loads((folder / "runs/whole/report.json").read_text())["figures"]["both"]
    return said


@pytest.mark.slow
def test_two_processes_work_together_and_the_first_one_writes(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    said, _ = start().communicate(timeout=120)
    assert figures(tmp_path) == {"total": 3, "world": 2}, said
    assert (tmp_path / "0.pid").read_text() != (tmp_path / "1.pid").read_text()
    shown = subprocess.run([*TOOL, "show", "both", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [json.loads(line)["completion"][0]["content"] for line in shown.stdout.splitlines() if line] == ["0"] * 3


def test_one_process_is_started_as_ever_whatever_the_environment_says(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    start(count=1).communicate(timeout=120)
    assert figures(tmp_path)["world"] == 1


@pytest.mark.slow
def test_what_another_rank_failed_of_is_told(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    running = start("raise")
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "the second had enough" in said
    assert start().wait(timeout=120) == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_no_process_outlives_a_launcher_that_is_killed(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    running = start("wait")
    pids = [tmp_path / f"{rank}.pid" for rank in (0, 1)]
    deadline = time.monotonic() + 90
    while not all(path.exists() and path.read_text() for path in pids):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.1)
    workers = [int(path.read_text()) for path in pids]
    launcher = int(Path(f"/proc/{workers[0]}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(launcher, 9)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "killed by signal 9" in said
    for worker in workers:
        while Path(f"/proc/{worker}").exists():
            assert time.monotonic() < deadline + 30
            time.sleep(0.1)
