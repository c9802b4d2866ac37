"""A plugin in a package of its own, installed as a stranger's would be, and used from YAML."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "plugins" / "constitutional-example"
TOOL = [sys.executable, "-m", "constitutional.cli.main"]
SPEC = """
constitutional: 1
name: manners
models:
  m: {backend: scripted, rules: [{when: 'How would this reply', say: ['Polite.', 'It is curt.']}, {say: ['Go away.', 'Gladly.']}]}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
plugins: [example]
stages:
  draft: {generator: sample, model: m, prompts: prompts}
  critique: {critic: example/politeness, model: m, responses: draft}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the example installed in it, metadata and all."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        str(PACKAGE),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_a_stranger_s_critic_is_used_from_yaml(site, tmp_path):
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(20)))
    (tmp_path / "spec.yaml").write_text(SPEC)
    diary = tmp_path / "diary"
    environment = {**os.environ, "PYTHONPATH": str(site), "CONSTITUTIONAL_EXAMPLE_DIARY": str(diary)}
    done = subprocess.run(
        [*TOOL, "run", "spec.yaml"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [*TOOL, "show", "critique", "-n", "20", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in shown.stdout.splitlines() if line]
    assert len(rows) == 20
    assert {row["principle"] for row in rows} == {"politeness"}
    assert {row["violation"] for row in rows} == {True, False}
    assert "critique: 20 rows" in diary.read_text()


def test_listing_shows_package_and_version(site):
    environment = {**os.environ, "PYTHONPATH": str(site)}
    said = subprocess.run([*TOOL, "plugins"], env=environment, capture_output=True, text=True, check=True).stdout
    assert "example" in said
    assert "constitutional-example 0.1.0" in said


def test_without_the_package_the_spec_says_how_to_get_it(tmp_path):
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "x"}\n')
    (tmp_path / "spec.yaml").write_text(SPEC)
    done = subprocess.run([*TOOL, "check", "spec.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install constitutional-example" in done.stderr
