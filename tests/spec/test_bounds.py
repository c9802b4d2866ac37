"""Specs that are made to cost: every one ends soon, in an answer or in mistakes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from constitutional.spec.findings import MOST
from tests.spec.specs import HEAD, codes, write

STAGE = "  s{i}: {{generator: sample, model: agent, prompts: {prompts}{more}}}\n"


def stages(count: int, prompts: str = "rows", more: str = "") -> str:
    return "".join(STAGE.format(i=i, prompts=prompts.format(i=i, next=i + 1), more=more) for i in range(count))


def single(count: int) -> str:
    return "".join(
        STAGE.format(i=i, prompts=f"s{i - 1}" if i else "rows", more=", matrix: {with.temperature: [1]}")
        for i in range(count)
    )


COSTLY = {
    "unknown names": stages(5000, "nobody{i}"),
    "unknown inputs": "  s: {generator: sample, " + ", ".join(f"p{i}: rows" for i in range(15000)) + "}\n",
    "bad references": "  s: {generator: sample, model: agent, prompts: [" + "1, " * 20000 + "]}\n",
    "unknown parameters": "  s: {generator: sample, model: agent, prompts: rows, with: {"
    + ", ".join(f"p{i}: 1" for i in range(20000))
    + "}}\n",
    "duplicates": "  s: {generator: sample}\n" * 10000,
    "one circle": stages(3000, "s{next}").replace("prompts: s3000", "prompts: s0"),
    "many circles": stages(3000, "s{i}"),
    "a chain in reverse": stages(3000, "s{next}").replace("prompts: s3000", "prompts: rows"),
    "matrices in a row": single(300),
    "long names": f"  {'a' * 100_000}: {{generator: sample, model: agent, prompts: {'b' * 100_000}}}\n",
    "long text": f"  s: {{generator: sample, model: agent, prompts: rows, about: {'x ' * 200_000}}}\n",
    "many unknown kinds": "".join(f"  s{i}: {{generater: sample}}\n" for i in range(5000)),
    "many rounds": "  d: {generator: sample, model: agent, prompts: rows}\n"
    "  g: {repeat: 9000, from: d, stages: {a: {generator: sample, model: agent, prompts: previous}}}\n",
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_spec_ends_soon(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, HEAD + COSTLY[name])
    began = time.process_time()
    found = codes(path)
    assert time.process_time() - began < 30
    assert len(found) <= MOST


def test_mistakes_are_counted_up_to_a_point(tmp_path: Path) -> None:
    assert codes(write(tmp_path, HEAD + COSTLY["unknown names"])) == ["unknown-name"] * MOST


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~nobody_at_all/x", "missing-file"),
        ("a" * 5000, "missing-file"),
        ("../" * 1000, "missing-file"),
        ("/proc/1/root/x", "missing-file"),
        ("loop", "missing-file"),
        ("C:\\\\x", "missing-file"),
    ],
)
def test_odd_paths_are_missing_files(tmp_path: Path, path: str, expected: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    spec = write(tmp_path, HEAD + stages(1))
    for place in ("data.rows.path", "constitution"):
        assert set(codes(spec, f'{place}="{path}"')) <= {expected, "parameter", "wrong-shape", "unreadable"}


def test_a_pipe_is_no_spec(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    spec = write(tmp_path, "constitutional: 1\nextends: pipe.yaml\nstages: {}\n")
    assert "unreadable" in codes(spec)
    assert codes(tmp_path / "pipe.yaml") == ["unreadable"]


def test_links_in_a_circle_are_no_spec(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    spec = write(tmp_path, "constitutional: 1\nextends: a.yaml\nstages: {}\n")
    assert "unreadable" in codes(spec)
