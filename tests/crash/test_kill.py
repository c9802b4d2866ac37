"""Kill -9 at random moments: the same command goes on, and ends with the artifacts of an undisturbed run."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.crash.killing import artifacts, kill_until_done, run, write

SPECS = Path(__file__).resolve().parents[2] / "specs"


@pytest.fixture
def spec(tmp_path):
    return write(tmp_path, 150)


def test_ten_kills_and_the_same_artifacts(spec, tmp_path):
    undisturbed = run(spec, tmp_path / "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    kills = kill_until_done(spec, tmp_path / "killed", 10, 2.5, seed=5)
    resumed = run(spec, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    assert kills >= 1
    assert artifacts(tmp_path / "killed") == artifacts(tmp_path / "whole")


def test_what_was_answered_is_not_asked_again(spec, tmp_path):
    """After a kill, the answers that were kept are exactly those that the rest of the run does not ask for."""
    kill_until_done(spec, tmp_path / "killed", 1, 1.6, seed=1)
    kept = calls(tmp_path / "killed")
    resumed = run(spec, tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    events = map(json.loads, (tmp_path / "killed" / "killed" / "events.jsonl").read_text().splitlines())
    finished = [e for e in events if e["type"] == "step_finished"]
    asked = sum(e["calls"] - e["calls_reused"] for e in finished)
    assert asked == calls(tmp_path / "killed") - kept


def test_what_was_spent_is_what_was_answered_whenever_it_was_killed(spec, tmp_path):
    """Sums and answers are in one transaction: neither is there without the other."""
    for seed in range(3):
        kill_until_done(spec, tmp_path / "killed", 1, 2.0, seed=seed)
        assert spent(tmp_path / "killed") == calls(tmp_path / "killed")
    resumed = run(spec, tmp_path / "killed", "--set", "budget.calls=5000")
    assert resumed.returncode == 0, resumed.stderr
    assert spent(tmp_path / "killed") == calls(tmp_path / "killed") > 0


def spent(root: Path) -> int:
    path = root / ".store" / "journal.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as db:
        there = db.execute("select count(*) from sqlite_master where name = 'spent'").fetchone()[0]
        return int(db.execute("select coalesce(sum(calls), 0) from spent").fetchone()[0]) if there else 0


def calls(root: Path) -> int:
    path = root / ".store" / "journal.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(path) as db:
        tables = db.execute("select count(*) from sqlite_master where name = 'calls'").fetchone()[0]
        return int(db.execute("select count(*) from calls").fetchone()[0]) if tables else 0


SMALL = [
    "--set", "data.attacks.limit=60", "--set", "data.everyday.limit=20", "--set", "data.held_out.limit=20",
    "--set", "data.held_out_everyday.limit=20", "--set", "models.agent.deterministic=true",
    "--set", "models.judge.deterministic=true", "--set", "stages.result.require={}",
    "--set", "stages.sl_cai.with.checkpoint_every=2", "--set", "stages.rl_cai.with.checkpoint_every=2",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_kills_of_the_whole_method_with_real_trainers(tmp_path):
    spec = SPECS / "support-agent.yaml"
    undisturbed = run(spec, tmp_path / "whole", *SMALL)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert kill_until_done(spec, tmp_path / "killed", 10, 20.0, 7, *SMALL) >= 5
    resumed = run(spec, tmp_path / "killed", *SMALL)
    assert resumed.returncode == 0, resumed.stderr
    assert artifacts(tmp_path / "killed") == artifacts(tmp_path / "whole")
