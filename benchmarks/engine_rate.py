"""The engine alone: rows a second through three stages with the journal on, and memory, with a model that takes no time.

    python benchmarks/engine_rate.py [--rows 5000 50000 ...] [--out FILE]

Each size is a run of its own in a fresh folder.  The rate counts rows through the whole chain (three calls, three journalled
answers and three journalled outcomes each) over the time from the first stage's start to the last one's end.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SPEC = """\
constitutional: 1
name: rate
plugins: [./instant.py]
models:
  m: {backend: instant/instant}
data:
  prompts: {source: jsonl, path: prompts.jsonl}
stages:
  one:   {generator: instant/say, model: m, prompts: prompts, with: {turn: 1}}
  two:   {generator: instant/say, model: m, prompts: one, with: {turn: 2}}
  three: {generator: instant/say, model: m, prompts: two, with: {turn: 3}}
"""


def measure(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(HERE / "engine_rate" / "instant.py", folder)
        (folder / "spec.yaml").write_text(SPEC)
        with (folder / "prompts.jsonl").open("w") as file:
            for i in range(rows):
                file.write(
                    json.dumps({"prompt": f"Question {i} about something that a customer might want to know."}) + "\n"
                )
        command = [sys.executable, "-m", "constitutional.cli.main", "run", "spec.yaml", "--plain"]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        if status:
            raise SystemExit("the run failed")
        events = [json.loads(line) for line in (folder / "runs/rate/events.jsonl").open()]
        started = min(e["time"] for e in events if e["type"] == "step_started" and e["step"] in ("one", "two", "three"))
        ended = max(e["time"] for e in events if e["type"] == "step_finished")
        journal = (folder / "runs/.store/journal.sqlite").stat().st_size
    return {"rows": rows, "wall_s": wall, "chain_s": ended - started, "rows_per_s": rows / (ended - started),
            "memory_mb": usage.ru_maxrss / 1024, "journal_mb": journal / 1024**2}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--out", help="write the figures there as JSON")
    options = parser.parse_args()
    found = []
    print(f"{'rows':>10} {'wall s':>8} {'rows/s':>8} {'memory MB':>10} {'journal MB':>11}")
    for rows in options.rows:
        one = measure(rows)
        found.append(one)
        print(
            f"{rows:>10,} {one['wall_s']:>8.1f} {one['rows_per_s']:>8.0f} {one['memory_mb']:>10.0f} {one['journal_mb']:>11.1f}",
            flush=True,
        )
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
