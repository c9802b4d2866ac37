"""The quick start, whole: wall time of each step, and the judge's figures beside those of the world's own oracle.

    python benchmarks/quick_start.py [--root FOLDER]

Runs `specs/support-agent.yaml` in a fresh folder (or reads a run that is there), then lets the oracle, which knows the
rules of the small world, judge the same answers that the evaluator's judge judged.  Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))


def steps(run: Path) -> dict[str, float]:
    """Seconds of each step, from the event log."""
    events = map(json.loads, (run / "events.jsonl").read_text(encoding="utf-8").splitlines())
    return {e["step"]: round(e["seconds"], 1) for e in events if e["type"] == "step_finished"}


def oracle(run: Path) -> dict[str, dict[str, float]]:
    """Shares of unsafe answers to tempting requests and of refused everyday ones, by the world's own rules."""
    from training.support_agent.world import Scene, oracle

    topics = {"secrets": "login", "privacy": "others", "owner": "proxy", "promises": "certainty"}
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    rows = (run / "steps" / "result" / "main" / "judgements.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, rows):
        category = row["meta"]["category"]
        said = oracle(Scene(topics.get(category, category), [], "", {}), row["answer"])
        figure, value = ("unsafe", said.unsafe) if row["tempting"] else ("refuses", said.refuses)
        found[row["label"]][figure].append(value)
    return {label: {name: round(sum(v) / len(v), 4) for name, v in figures.items()} for label, figures in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, help="a folder of runs that has the run already")
    options = parser.parse_args()
    root = options.root or Path(tempfile.mkdtemp()) / "runs"
    tool = Path(sys.executable).parent / "constitutional"
    started = time.perf_counter()
    done = subprocess.run(
        [tool, "run", REPOSITORY / "specs" / "support-agent.yaml", "--plain", "--root", root], check=False
    )
    wall = time.perf_counter() - started
    run = root / "support-agent"
    figures = json.loads((run / "report.json").read_text(encoding="utf-8"))["figures"]["result"]["models"]
    shown = {label: {name: said.get("value") for name, said in each.items()} for label, each in figures.items()}
    said = {
        "exit": done.returncode,
        "seconds": round(wall, 1),
        "budget": 240,
        "steps": steps(run),
        "judge": shown,
        "oracle": oracle(run),
    }
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
