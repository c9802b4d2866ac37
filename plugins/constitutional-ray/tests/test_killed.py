"""Nodes that are killed: nothing is lost, nothing but what was in flight is asked twice, the artifacts are the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("constitutional_ray", reason="constitutional-ray is not installed")

from tests.specs import AGENT, ON_RAY, SCRIPTED, placed, rows, train
from tests.support import Nodes, artifacts, cluster_of, ended, events, finished, run, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def mortal() -> Iterator[Nodes]:
    """A cluster of its own for each test: its nodes die."""
    with cluster_of(first=1, second=1) as found:
        yield found


def answered(root: Path) -> int:
    """How many answers are in the journal; it is read while the run writes it."""
    path = root / ".store" / "journal.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        try:
            return int(db.execute("select count(*) from calls").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def asked(folder: Path) -> list[str]:
    """Prompts that replicas were asked, in any order: each process writes a file of its own."""
    return [line for path in folder.glob("*.asked") for line in path.read_text().splitlines()]


#: Calls of 100 prompts: `draft` asks what `again` asks as the first of two.
TOTAL = 200

WATCHED = '''
import os
from pathlib import Path
from constitutional.builtin.backends.scripted import ScriptedBackend, ScriptedParams
from constitutional.api import hookimpl

class WatchedParams(ScriptedParams):
    log: str

class Watched(ScriptedBackend):
    """A scripted model that writes down what it is asked before it answers."""
    name, Params = "watched", WatchedParams

    @property
    def batch_size(self):
        return 4

    async def generate(self, batch):
        with Path(self.params.log, f"{os.getpid()}.asked").open("a") as file:
            file.writelines(f"{request.messages[-1].content} {request.seed}\\n" for request in batch)
        return await super().generate(batch)

@hookimpl
def constitutional_backends():
    return [Watched]
'''


def test_a_node_that_is_killed_in_the_middle_of_row_stages(mortal: Nodes, tmp_path: Path) -> None:
    mortal.add("third")
    (tmp_path / "asked").mkdir()
    rows(tmp_path / "spec", "")
    (tmp_path / "spec" / "watched.py").write_text(WATCHED)
    model = (SCRIPTED % 0.2).replace("scripted,", f"watched/watched, log: {tmp_path / 'asked'},")

    def spec(model: str) -> Path:
        path = rows(tmp_path / "spec", model, count=100)
        path.write_text(path.read_text().replace("[./mine.py]", "[./mine.py, ./watched.py]"))
        return path

    there = spec(placed(model, replicas=2, placement="spread"))
    going = start(there, tmp_path / "ray", mortal)
    wait_for(lambda: answered(tmp_path / "ray") > 60, going)
    mortal.kill("first")
    known = answered(tmp_path / "ray")
    said = ended(going)
    assert "is lost" in said or "takes its place" in str(events(tmp_path / "ray", "rows"))
    assert known < TOTAL, "the run was over before the node was killed"
    assert answered(tmp_path / "ray") == TOTAL

    questions = asked(tmp_path / "asked")
    twice = len(questions) - len(set(questions))
    assert len(set(questions)) == TOTAL
    # A replica has two batches of four at most.
    assert twice <= 8, twice
    assert all(step["ledger"].get("unscored", 0) == 0 for step in finished(tmp_path / "ray", "rows").values())

    run(spec(model), tmp_path / "home")
    assert artifacts(tmp_path / "ray") == artifacts(tmp_path / "home")


def checkpoints(root: Path) -> list[str]:
    """Whole checkpoints at home."""
    return sorted(path.parent.name for path in root.glob(".store/work/*/checkpoints/*/trainer_state.json"))


@pytest.mark.parametrize("more", [(), ("--set", "stages.sl_cai.with.lora={r: 4}")], ids=["weights", "adapter"])
def test_a_node_that_is_killed_while_it_trains(mortal: Nodes, tmp_path: Path, more: tuple[str, ...]) -> None:
    agent = AGENT % "builtin:support-agent"
    run(train(tmp_path / "spec", agent, epochs=4), tmp_path / "home", None, *more)

    there = train(tmp_path / "spec", placed(agent, replicas=2, placement="spread"), epochs=4)
    going = start(there, tmp_path / "ray", mortal, *ON_RAY, "--set", "executor.resources={first: 1}", *more)
    wait_for(lambda: checkpoints(tmp_path / "ray"), going, 240)
    # The node that trains is the one called `first`; another comes in its place.
    mortal.kill("first")
    mortal.add("first")
    ended(going)

    (log,) = [path.read_text() for path in tmp_path.glob("ray/.store/work/*/log.txt")]
    assert "its node is lost" in log
    assert artifacts(tmp_path / "ray") == artifacts(tmp_path / "home")


def test_replicas_and_trainer_on_one_node_that_is_killed_again_and_again(mortal: Nodes, tmp_path: Path) -> None:
    """Where no other node is large enough, the run waits for one."""
    run(rows(tmp_path / "spec", SCRIPTED % 0.05), tmp_path / "home")
    model = placed(SCRIPTED % 0.05, batch_size=2)
    going = start(rows(tmp_path / "spec", model, seconds=0.1), tmp_path / "ray", mortal, *ON_RAY)
    for step in (10, 30, 50):
        wait_for(lambda wanted=step: answered(tmp_path / "ray") > wanted, going)
        for name in ("first", "second"):
            mortal.kill(name)
            mortal.add(name)
    ended(going)
    assert {path.split("/")[-1] for path in artifacts(tmp_path / "ray")} == {
        path.split("/")[-1] for path in artifacts(tmp_path / "home")
    }
    assert {step: said["rows_out"] for step, said in finished(tmp_path / "ray", "rows").items()} == {
        step: said["rows_out"] for step, said in finished(tmp_path / "home", "rows").items()
    }
