"""What is said where the cluster is not there, or is too small, or a node has other code."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("constitutional_ray", reason="constitutional-ray is not installed")
from constitutional_ray import cluster

from constitutional.api import RunError
from tests.specs import ON_RAY, SCRIPTED, placed, rows
from tests.support import Nodes, run


@pytest.mark.parametrize(
    ("each", "node", "times"),
    [
        ({"GPU": 1, "CPU": 4}, {"GPU": 8, "CPU": 16}, 4),
        ({"GPU": 0.4, "CPU": 1}, {"GPU": 2, "CPU": 16}, 4),
        ({"GPU": 1 / 3, "CPU": 1}, {"GPU": 1, "CPU": 16}, 3),
        ({"GPU": 1}, {"CPU": 16}, 0),
        ({"CPU": 0.1}, {"CPU": 1}, 10),
    ],
)
def test_how_many_fit_a_node(each: dict[str, float], node: dict[str, float], times: int) -> None:
    assert cluster.fitting(each, node) == times


def test_a_node_with_other_code_is_refused() -> None:
    cluster.same_as(cluster.versions())
    with pytest.raises(RunError, match=r"a node has constitutional-ray .*, the head has 99"):
        cluster.same_as({**cluster.versions(), "constitutional-ray": "99"})


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "no Ray cluster at `127.0.0.1:1`"),
        ("ray://127.0.0.1:1", "is a Ray client"),
        ("nowhere", "`nowhere`"),
    ],
)
def test_a_cluster_that_is_not_there_stops_the_run_before_the_first_step(
    tmp_path: Path, address: str, said: str
) -> None:
    spec = rows(tmp_path / "spec", SCRIPTED % 0)
    text = run(spec, tmp_path / "runs", None, *ON_RAY, "--set", f"executor.address={address}", expect=2)
    assert said in text
    assert "Traceback" not in text
    assert "draft" not in text, "a step had begun"


def test_more_than_the_cluster_has_is_said_with_what_it_has(nodes: Nodes, tmp_path: Path) -> None:
    spec = rows(tmp_path / "spec", SCRIPTED % 0)
    text = run(spec, tmp_path / "runs", nodes, *ON_RAY, "--set", "executor.gpus=2", expect=2)
    assert "too small for a node with 2 GPU and 1 CPU" in text
    assert "2 nodes with 0 GPU and 1 CPU" in text
    assert "draft" not in text, "a step had begun"

    spec = rows(tmp_path / "spec", placed(SCRIPTED % 0, replicas=3))
    text = run(spec, tmp_path / "runs", nodes, expect=2)
    assert "too small for 3 times 1 CPU, each on one node: only 2 would fit" in text


def test_what_a_backend_raises_on_a_node_is_said_as_at_home(nodes: Nodes, tmp_path: Path) -> None:
    model = "{backend: transformers, model: org/is-not-there, revision: main}"
    text = run(rows(tmp_path / "spec", placed(model)), tmp_path / "runs", nodes, expect=2)
    assert "org/is-not-there" in text
    assert "Traceback" not in text


def test_an_error_of_a_stage_on_a_node_is_said_as_at_home(nodes: Nodes, tmp_path: Path) -> None:
    spec = rows(tmp_path / "spec", SCRIPTED % 0)
    text = run(spec, tmp_path / "runs", nodes, *ON_RAY, "--set", "stages.alone.with.seconds=-1", expect=1)
    assert "ValueError: sleep length must be non-negative" in text
