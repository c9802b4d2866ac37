"""How long the command line takes to say something: `--help`, `plan` of a 100-stage spec, a run with nothing to do.

    python benchmarks/startup.py [--times 7]

Each command is a process of its own; the median of several is printed with its budget, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 20
BUDGETS = {"help": 0.15, "plan_100_stages": 0.5, "run_with_nothing_to_do": 0.6}


def hundred_stages(folder: Path) -> Path:
    """A spec of 100 stages: 33 chains of draft, critique and revision, and one filter."""
    rows = "".join(json.dumps({"prompt": f"prompt {n}"}) + "\n" for n in range(ROWS))
    (folder / "prompts.jsonl").write_text(rows, encoding="utf-8")
    (folder / "rules.yaml").write_text(
        "constitution: 1\nname: rules\nprinciples:\n  - {id: kind, rule: Be kind.}\n", encoding="utf-8"
    )
    lines = ["constitutional: 1", "name: hundred", "constitution: rules.yaml", "models:",
             "  m: {backend: scripted, rules: [{say: 'No violation.'}]}", "data:", "  prompts: {source: jsonl, path: prompts.jsonl}", "stages:"]  # fmt: skip
    for n in range(33):
        lines += [f"  draft_{n}: {{generator: sample, model: m, prompts: prompts, with: {{max_new_tokens: {n + 1}}}}}",
                  f"  critique_{n}: {{critic: principle, model: m, responses: draft_{n}}}",
                  f"  revise_{n}: {{reviser: rewrite, model: m, critiques: critique_{n}}}"]  # fmt: skip
    lines.append("  last: {transform: concat, rows: [revise_0, revise_1]}")
    spec = folder / "hundred.yaml"
    spec.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return spec


def seconds(command: list[str], folder: Path, times: int) -> float:
    """The median wall time of a command."""
    taken = []
    # As it is installed: with bytecode, whatever the environment says; the first time writes it.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environ)
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environ)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    tool = [str(Path(sys.executable).parent / "constitutional")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = str(hundred_stages(folder))
        found = {
            "help": seconds([*tool, "--help"], folder, times),
            "plan_100_stages": seconds([*tool, "plan", spec], folder, times),
        }
        subprocess.run([*tool, "run", spec, "--plain"], cwd=folder, check=True, capture_output=True)
        found["run_with_nothing_to_do"] = seconds([*tool, "run", spec, "--plain"], folder, times)
    print(
        json.dumps(
            {name: {"seconds": round(value, 3), "budget": BUDGETS[name]} for name, value in found.items()}, indent=1
        )
    )


if __name__ == "__main__":
    main()
