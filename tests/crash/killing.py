"""Runs that are killed at random moments, and what must be the same afterwards."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.running import jsonl

TOOL = [sys.executable, "-m", "constitutional.cli.main"]
SPEC = """
constitutional: 1
name: killed
seed: 3
constitution: rules.yaml
models:
  m:
    backend: scripted
    seconds: 0.02
    rules:
      - {when: 'Answer with one letter', choose: {A: 0.7, B: 0.3}}
      - {when: 'Critique request', say: ['It is rude.', 'No violation.', 'It is too short.']}
      - {when: 'Revision request', say: ['A kinder answer.', 'A longer answer, which is kind.']}
      - {say: ['Go away.', 'Why?', 'Of course, {last}', 'Never.']}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  draft: {generator: sample, model: m, prompts: prompts, with: {n: 2}}
  improve:
    repeat: 2
    from: draft
    stages:
      critique: {critic: principle, model: m, responses: previous}
      revise: {reviser: rewrite, model: m, critiques: critique}
  pairs: {generator: pair, model: m, prompts: prompts}
  votes: {labeller: multiple-choice, model: m, pairs: pairs, with: {principles: 2}}
  labels: {debiaser: position-swap, votes: votes, with: {margin: 0.0}}
"""
RULES = """
constitution: 1
name: rules
principles:
  - {id: kind, rule: Be kind.}
  - {id: useful, rule: Be useful.}
"""


def write(folder: Path, rows: int) -> Path:
    """The spec with its rules and so many prompts."""
    (folder / "prompts.jsonl").write_text(jsonl({"prompt": f"question {n}"} for n in range(rows)))
    (folder / "rules.yaml").write_text(RULES)
    (folder / "spec.yaml").write_text(SPEC)
    return folder / "spec.yaml"


def run(spec: Path, root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a spec to its end."""
    return subprocess.run(
        [*TOOL, "run", str(spec), "--plain", "--root", str(root), *more], capture_output=True, text=True, check=False
    )


def killed(spec: Path, root: Path, seconds: float, *more: str) -> bool:
    """Run a spec and kill it, workers and all, after so many seconds; False where it had ended before."""
    process = subprocess.Popen(
        [*TOOL, "run", str(spec), "--plain", "--root", str(root), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_all(process.pid)
        process.wait()
        return True
    return False


def kill_all(pid: int) -> None:
    """Kill a process and its descendants at once, whatever session they are in."""
    for child in children(pid):
        kill_all(child)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found


def artifacts(root: Path) -> dict[str, str]:
    """Digest of every file of every finished step, by its path in the store."""
    store = root / ".store" / "artifacts"
    files = [path for path in store.rglob("*") if path.is_file() and "tmp" not in path.relative_to(store).parts]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def kill_until_done(spec: Path, root: Path, kills: int, longest: float, seed: int, *more: str) -> int:
    """Kill a run at random moments, as often as it can be before it ends; returns how often it was."""
    stream, done = random.Random(seed), 0
    for _ in range(kills):
        if not killed(spec, root, stream.uniform(0.4, longest), *more):
            break
        done += 1
        time.sleep(0.05)
    return done
