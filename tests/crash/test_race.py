"""Several runs of one spec in one folder at the same time: one works, the others are told who it is, nothing breaks."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.crash.killing import artifacts, kill_until_done, run, write

TOOL = [sys.executable, "-m", "constitutional.cli.main"]


@pytest.fixture
def spec(tmp_path):
    return write(tmp_path, 40)


def race(spec: Path, root: Path, runners: int) -> list[tuple[int, str]]:
    """Exit code and words of each of so many runs that start together."""
    command = [*TOOL, "run", str(spec), "--plain", "--root", str(root)]
    started = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(runners)
    ]
    return [(process.wait(), process.communicate()[1]) for process in started]


def rounds(spec: Path, folder: Path, count: int) -> None:
    assert run(spec, folder / "whole").returncode == 0
    expected = artifacts(folder / "whole")
    stream = random.Random(11)
    for turn in range(count):
        root = folder / f"race-{turn}"
        ended = race(spec, root, stream.randint(2, 8))
        assert {code for code, _ in ended} <= {0, 75}, ended
        assert any(code == 0 for code, _ in ended)
        assert all("in use by pid" in said for code, said in ended if code == 75)
        assert artifacts(root) == expected


def test_two_races(spec, tmp_path):
    rounds(spec, tmp_path, 2)


@pytest.mark.parametrize(("later", "in_flight"), [(0.0, 256), (0.4, 3), (0.8, 256)])
def test_runs_of_the_same_steps_in_one_store_share_them(spec, tmp_path, later, in_flight):
    """Two specs with other names and the same steps: each finds what the other has finished, or is in the middle of."""
    assert run(spec, tmp_path / "whole").returncode == 0
    root, started = tmp_path / "shared", []
    for name, rows in [("one", 256), ("other", in_flight)]:
        copy = spec.with_name(f"{name}.yaml")
        text = spec.read_text().replace("name: killed", f"name: {name}")
        copy.write_text(text + f"limits: {{rows_in_flight: {rows}}}\n")
        command = [*TOOL, "run", str(copy), "--plain", "--root", str(root)]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True))
        time.sleep(later)
    ended = [(process.wait(), process.communicate()[1]) for process in started]
    assert [code for code, _ in ended] == [0, 0], ended
    assert artifacts(root) == artifacts(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_races(spec, tmp_path):
    rounds(spec, tmp_path, 100)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills(spec, tmp_path):
    """Twenty runs, each killed up to ten times."""
    assert run(spec, tmp_path / "whole").returncode == 0
    expected, kills = artifacts(tmp_path / "whole"), 0
    for turn in range(20):
        root = tmp_path / f"killed-{turn}"
        kills += kill_until_done(spec, root, 10, 1.2, seed=turn)
        assert run(spec, root).returncode == 0
        assert artifacts(root) == expected
    assert kills >= 100
