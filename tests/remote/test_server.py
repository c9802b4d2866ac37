"""Servers that a run starts and ends: ready, asked, started again, ended, and never two on one accelerator."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from constitutional.errors import ConstitutionalError
from tests.remote.support import events, run_spec

FAKE = Path(__file__).with_name("fake_engine.py")
SPEC = """\
constitutional: 1
name: remote
models:
  first:  {{backend: server, engine: command, model: some/first, command: {first}, gpus: [0], ready_seconds: {ready}}}
  second: {{backend: server, engine: command, model: some/second, command: {second}, gpus: [0]}}
data:
  prompts: {{source: jsonl, path: prompts.jsonl}}
stages:
  draft: {{generator: sample, model: first, prompts: prompts}}
  redo:  {{generator: sample, model: second, prompts: draft, with: {{system: again}}}}
limits: {{max_failures: 0.0}}
"""


def command(folder: Path, *more: str) -> str:
    return json.dumps([sys.executable, str(FAKE), "{port}", "{model}", "--tell", str(folder / "told"), *more])


def write(folder: Path, *first: str, rows: int = 12, ready: float = 60.0) -> Path:
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"prompt {i}"}) + "\n" for i in range(rows)))
    spec = folder / "spec.yaml"
    spec.write_text(SPEC.format(first=command(folder, *first), second=command(folder), ready=ready))
    return spec


def told(folder: Path) -> list[list[str]]:
    return [line.split() for line in (folder / "told").read_text().splitlines()]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


def wait_until(true, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.1)
    return False


def test_two_servers_on_one_accelerator_take_turns_and_end(tmp_path):
    assert run_spec(write(tmp_path), tmp_path / "runs").status == "finished"
    models = [model for _, _, model, _ in told(tmp_path)]
    assert models[:2] == ["some/first", "some/second"]
    assert all(gone(int(pid)) for _, pid, _, _ in told(tmp_path))
    logs = list((tmp_path / "runs" / ".store" / "work" / "servers").rglob("server.log"))
    assert len(logs) == 2


def test_a_server_that_dies_is_started_again_and_no_row_is_lost(tmp_path):
    assert run_spec(write(tmp_path, "--die-after", "5"), tmp_path / "runs").status == "finished"
    said = [event["said"] for event in events(tmp_path / "runs", "model_notice")]
    assert any("started again" in words and "I die on purpose" in words for words in said)
    finished = {event["step"]: event for event in events(tmp_path / "runs", "step_finished")}
    assert finished["redo"]["ledger"]["kept"] == 12


def test_a_server_that_is_never_ready_is_said_with_its_last_words(tmp_path):
    with pytest.raises(ConstitutionalError, match="I will never be ready"):
        run_spec(write(tmp_path, "--never", ready=2.0), tmp_path / "runs")


def test_a_command_that_is_not_there_is_said(tmp_path):
    spec = write(tmp_path)
    spec.write_text(spec.read_text().replace(sys.executable, "/no/such/program"))
    with pytest.raises(ConstitutionalError, match="ended with code"):
        run_spec(spec, tmp_path / "runs")


def test_no_server_outlives_a_run_that_is_killed(tmp_path):
    spec = write(tmp_path, "--slow", "1")
    process = subprocess.Popen([sys.executable, "-m", "constitutional.cli.main", "run", str(spec), "--plain", "--root", str(tmp_path / "runs")],
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    assert wait_until((tmp_path / "told").exists, 60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: all(gone(int(pid)) for _, pid, _, _ in told(tmp_path)))
