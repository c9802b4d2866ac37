"""A run on a cluster of several nodes: the same artifacts as at home, and nothing is asked twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("constitutional_ray", reason="constitutional-ray is not installed")

from tests.specs import ON_RAY, SCRIPTED, placed, rows
from tests.support import Nodes, artifacts, finished, run


def test_a_run_on_the_cluster_leaves_the_artifacts_of_a_run_at_home(nodes: Nodes, tmp_path: Path) -> None:
    home = rows(tmp_path / "spec", SCRIPTED % 0.01)
    run(home, tmp_path / "home")
    there = rows(tmp_path / "spec", placed(SCRIPTED % 0.01, replicas=2, placement="spread", cpus_per_replica=0.5))
    run(there, tmp_path / "ray", nodes, *ON_RAY)
    assert artifacts(tmp_path / "ray") == artifacts(tmp_path / "home")
    log = (tmp_path / "ray" / ".store").rglob("work/*/log.txt")
    assert "did 39" in "".join(path.read_text() for path in log)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["home", "ray"])
def test_a_journal_made_at_home_is_used_on_the_cluster_and_the_other_way_round(
    nodes: Nodes, tmp_path: Path, first: str
) -> None:
    models = {"home": SCRIPTED % 0.01, "ray": placed(SCRIPTED % 0.01)}
    other = next(name for name in models if name != first)
    run(rows(tmp_path / "spec", models[first]), tmp_path / "runs", nodes)
    made = artifacts(tmp_path / "runs")
    assert "3 known" in run(rows(tmp_path / "spec", models[other]), tmp_path / "runs", nodes)

    shutil.rmtree(tmp_path / "runs" / ".store" / "artifacts")
    run(rows(tmp_path / "spec", models[other]), tmp_path / "runs", nodes)
    assert artifacts(tmp_path / "runs") == made
    for name, calls in {"draft": 40, "again": 80}.items():
        said = finished(tmp_path / "runs", "rows")[name]
        assert (said["calls"], said["calls_reused"]) == (calls, calls)


@pytest.mark.slow
@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_process_that_dies_is_started_again_from_where_it_was(nodes: Nodes, tmp_path: Path, shared: str) -> None:
    spec = rows(tmp_path / "spec", SCRIPTED % 0.0, count=6, die_at=3)
    run(spec, tmp_path / "ray", nodes, *ON_RAY, "--set", f"executor.shared={shared}")
    (log,) = (tmp_path / "ray" / ".store").rglob("work/*/log.txt")
    said = log.read_text().splitlines()
    assert [line for line in said if line.startswith("did")] == [f"did {n}" for n in range(6)]
    (lost,) = [line for line in said if line.startswith("[ray]")]
    assert "killed by signal 9" in lost
