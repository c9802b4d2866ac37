"""A run on a cluster of several nodes: the same artifacts as at home, and nothing is asked twice."""

from __future__ import annotations

from pathlib import Path

import pytest

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

    # A journal that was made at home is used on the cluster, and the other way round.
    for name in ("home", "ray"):
        before = artifacts(tmp_path / name)
        for step in ("draft", "again"):
            spec = there if name == "home" else rows(tmp_path / "spec", SCRIPTED % 0.01)
            run(spec, tmp_path / name, nodes, "--redo", step)
        said = finished(tmp_path / name, "rows")
        assert before == artifacts(tmp_path / name)
        assert said["draft"]["calls"] == 40


@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_process_that_dies_is_started_again_from_where_it_was(nodes: Nodes, tmp_path: Path, shared: str) -> None:
    spec = rows(tmp_path / "spec", SCRIPTED % 0.0, count=6, die_at=3)
    run(spec, tmp_path / "ray", nodes, *ON_RAY, "--set", f"executor.shared={shared}")
    (log,) = (tmp_path / "ray" / ".store").rglob("work/*/log.txt")
    said = log.read_text().splitlines()
    assert [line for line in said if line.startswith("did")] == [f"did {n}" for n in range(6)]
    (lost,) = [line for line in said if line.startswith("[ray]")]
    assert "killed by signal 9" in lost
