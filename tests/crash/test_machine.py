"""What a machine does to a run: schedulers that end it, clocks that jump, sleep, disks that are small or read-only."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.crash.killing import TOOL, artifacts, kill_all, write
from tests.crash.killing import run as run_tool
from tests.remote import support
from tests.remote.server import serving


@pytest.fixture
def spec(tmp_path):
    return write(tmp_path, 60)


def started(spec, root):
    """A run in a process of its own that has begun with its first rows."""
    process = subprocess.Popen(
        [*TOOL, "run", str(spec), "--plain", "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any("step_started" in log.read_text() for log in root.glob("*/events.jsonl")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def test_a_scheduler_that_asks_for_an_end_gets_one_and_the_run_goes_on_later(spec, tmp_path):
    # Long enough that it is far from its end when it is stopped.
    write(tmp_path, 400)
    assert run_tool(spec, tmp_path / "whole").returncode == 0
    root = tmp_path / "stopped"
    for _ in range(2):
        process = started(spec, root)
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "the same command goes on" in said
        shutil.rmtree(root / "killed", ignore_errors=True)
    assert run_tool(spec, root).returncode == 0
    assert artifacts(root) == artifacts(tmp_path / "whole")


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0], ids=["back a day", "on a day"])
def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch, jump):
    """The wall clock is for people: no wait, deadline or key depends on it."""
    with serving(lambda text, attempt: "429-short" if attempt == 0 and text.endswith("3") else None) as server:
        spec = support.write(tmp_path / "paced", server.url, 40, requests_per_minute=6000.0)
        calm = support.run_spec(support.write(tmp_path / "plain", server.url, 40), tmp_path / "calm")
        plain, since = time.time, time.monotonic()
        monkeypatch.setattr(time, "time", lambda: plain() + (jump if time.monotonic() - since > 0.05 else 0.0))
        shaken = support.run_spec(spec, tmp_path / "shaken")
    assert (calm.status, shaken.status) == ("finished", "finished")
    assert shaken.seconds < 60
    assert support.artifacts(tmp_path / "calm") == support.artifacts(tmp_path / "shaken")


def test_a_machine_that_slept_asks_what_it_missed_again_and_nothing_else(tmp_path):
    with serving(latency=0.3) as server:
        spec = support.write(tmp_path / "spec", server.url, 40, concurrency=4, deadline=1.5)
        process = started(spec, tmp_path / "slept")
        try:
            time.sleep(0.7)
            process.send_signal(signal.SIGSTOP)
            time.sleep(2.5)
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=120)
        finally:
            kill_all(process.pid)
        assert process.returncode == 0, said
        asked = Counter(server.asked)
        awake = support.run_spec(spec, tmp_path / "awake")
    assert awake.status == "finished"
    assert support.artifacts(tmp_path / "slept") == support.artifacts(tmp_path / "awake")
    assert sum(asked.values()) - 80 <= 4


def in_a_namespace(script, *arguments):
    """Run a shell script that may mount things nobody else sees."""
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", *arguments], capture_output=True, text=True, check=False
    )


CAN_MOUNT = bool(
    shutil.which("unshare")
    and os.geteuid() == 0
    and in_a_namespace("mount -t tmpfs -o size=64k none /mnt").returncode == 0
)
needs_mounts = pytest.mark.skipif(not CAN_MOUNT, reason="mounting is not allowed here")


@needs_mounts
def test_a_small_disk_is_full_in_words_and_a_larger_one_goes_on(spec, tmp_path):
    assert run_tool(spec, tmp_path / "whole").returncode == 0
    root, saved = tmp_path / "small", tmp_path / "saved"
    root.mkdir()
    script = (
        'mount -t tmpfs -o size=200k none "$2"; set +e; "$1" -m constitutional.cli.main run "$3" --plain --root "$2"; code=$?; '
        'set -e; mount -o remount,size=64m "$2"; "$1" -m constitutional.cli.main run "$3" --plain --root "$2"; '
        'cp -a "$2" "$4"; echo "first: $code"'
    )
    ended = in_a_namespace(script, sys.executable, str(root), str(spec), str(saved))
    assert ended.returncode == 0, ended.stderr
    assert "first: 74" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert artifacts(saved) == artifacts(tmp_path / "whole")


@needs_mounts
@pytest.mark.parametrize("finished", [False, True])
def test_a_store_that_is_read_only_is_said(spec, tmp_path, finished):
    root = tmp_path / "runs"
    root.mkdir()
    if finished:
        assert run_tool(spec, root).returncode == 0
    script = 'mount --bind "$2" "$2"; mount -o remount,ro,bind "$2"; exec "$1" -m constitutional.cli.main run "$3" --plain --root "$2"'
    ended = in_a_namespace(script, sys.executable, str(root), str(spec))
    assert ended.returncode == 74, (ended.returncode, ended.stderr)
    assert "Traceback" not in ended.stderr
    assert "ead-only" in ended.stderr
