"""Every trainer on the same task: unsafe rate, over-refusal, helpfulness, divergence and minutes, side by side.

    python benchmarks/all_trainers.py [--root FOLDER] [--small] [--out benchmarks/results/all_trainers.json]
                                      [--page docs/trainers.md] [--picture docs/all-trainers.svg]
    python benchmarks/all_trainers.py --sweep [--root FOLDER] [--small]
    python benchmarks/all_trainers.py --read benchmarks/results/all_trainers.json --page ... --picture ...

Runs the specs of `all_trainers/` by `constitutional run`: first all trainers and best-of-n, then the evaluation.  A folder
given by `--root` is gone on with.  `--sweep` tries learning rates on prompts of their own and writes the best into
`benchmarks/results/all_trainers_rates.json`, which is read from then on.  `--small` is a smoke test of everything.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent
sys.path[:0] = [str(REPOSITORY), str(HERE)]

RATES = HERE / "results" / "all_trainers_rates.json"
RL = ("grpo", "rloo", "rloo_steps")
#: Stages that learn, in the order of the table.
TRAINED = ("sft", "dpo_sigmoid", "dpo_ipo", "dpo_hinge", "dpo_robust", "kto", "orpo", *RL, "ppo", "online_dpo")
JUDGED = ("unsafe_rate", "refusal", "over_refusal", "win_rate", "mean_words")
SMALL = ["data.attacks.limit=48", "data.everyday.limit=30", "data.steps.limit=24", "stages.draft.with.max_new_tokens=24",
         *(f"stages.{stage}.with.epochs=1" for stage in ("reward", "steps_reward", *TRAINED[:7])),
         *(f"stages.{stage}.with.max_steps=2" for stage in RL),
         *(f"stages.ppo.with.{name}" for name in ("iterations=1", "rollout_batch=16", "ppo_epochs=1"))]  # fmt: skip
SMALL_HELD_OUT = ["data.held_out.limit=16", "data.held_out_everyday.limit=12", "stages.best.with.n=2"]


def run(spec: Path, root: Path, sets: list[str]) -> tuple[Path, dict[str, float]]:
    """Run a spec; its run folder, and the seconds of each step that was not known already."""
    tool = Path(sys.executable).parent / "constitutional"
    flags = [part for said in sets for part in ("--set", said)]
    subprocess.run([tool, "run", spec, "--plain", "--root", root, *flags], check=True, stdout=sys.stderr)
    folder = root / ("all-trainers-sweep" if spec.stem == "sweep" else "all-trainers")
    events = map(json.loads, (folder / "events.jsonl").read_text(encoding="utf-8").splitlines())
    return folder, {e["step"]: round(e["seconds"], 1) for e in events if e["type"] == "step_finished"}


def rates() -> list[str]:
    """The learning rates that a sweep has chosen, as settings; none where there was no sweep."""
    chosen = json.loads(RATES.read_text(encoding="utf-8"))["chosen"] if RATES.is_file() else {}
    return [f"stages.{stage}.with.learning_rate={rate}" for stage, rate in chosen.items()]


def record(run_folder: Path, place: Path) -> None:
    """Write what best-of-n kept for the backend that says it again."""
    from constitutional.api import Response, to_json
    from constitutional.store.columns import read_rows

    rows = read_rows(run_folder / "steps" / "best" / "main" / "rows.parquet", Response)
    lines = (json.dumps({"prompt": to_json(row.prompt), "completion": row.completion}) for row in rows)
    place.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def measure(root: Path, small: bool) -> dict[str, Any]:
    """Run all, and gather what the table says."""
    started, before = time.perf_counter(), root / "seconds.json"
    online = has_online()
    spec, learned = HERE / "all_trainers" / ("online-dpo.yaml" if online else "result.yaml"), rates()
    known: dict[str, float] = json.loads(before.read_text(encoding="utf-8")) if before.is_file() else {}
    sets = learned + ([*SMALL, *SMALL_HELD_OUT] if small else [])
    folder, seconds = run(HERE / "all_trainers" / "best.yaml", root, sets)
    known |= seconds
    before.write_text(json.dumps(known), encoding="utf-8")
    answers = (root / "best_of_n.jsonl").resolve()
    record(folder, answers)
    more = ["stages.online_dpo.with.iterations=1"] if small and online else []
    folder, seconds = run(spec, root, [*sets, *more, f"models.best_of_n.answers={answers}"])
    known |= seconds
    before.write_text(json.dumps(known), encoding="utf-8")
    return {**gathered(folder, known), "small": small, "rates_from_a_sweep": bool(learned),
            "minutes_in_all": round((time.perf_counter() - started) / 60, 1), "machine": machine()}  # fmt: skip


def has_online() -> bool:
    from constitutional.builtin import STAGES

    return any((one.kind, one.name) == ("trainer", "online-dpo") for one in STAGES)


def machine() -> dict[str, Any]:
    import torch

    return {"cpus": len(os.sched_getaffinity(0)), "python": platform.python_version(), "torch": torch.__version__}


def gathered(folder: Path, seconds: dict[str, float]) -> dict[str, Any]:
    """Of each model: the judge's figures, the oracle's, the divergence and the minutes; and what all learned from."""
    import quick_start

    figures = json.loads((folder / "report.json").read_text(encoding="utf-8"))["figures"]
    judged, far = figures["result"]["models"], figures["far"]["models"]
    oracle = quick_start.oracle(folder)
    models = {}
    for label, said in judged.items():
        models[label] = {name: said[name] for name in JUDGED} | {"oracle": oracle[label]}
        if label in far:
            models[label] |= {name: far[label][name] for name in ("kl", "kl_k3", "kl_k3_per_token", "rewritten")}
        if label in seconds:
            models[label]["minutes"] = round(seconds[label] / 60, 2)
    models["best_of_n"]["kl_bound"] = figures["best"]["kl_bound"]
    shared = {name: round(seconds[name] / 60, 2) for name in ("reward", "steps_reward") if name in seconds}
    return {"models": models, "compared": figures["result"]["compared"], "labels": figures["labels"],
            "best_of_n": figures["best"], "minutes_of_rewards": shared}  # fmt: skip


def sweep(root: Path, small: bool) -> dict[str, Any]:
    """Of each trainer the rate with the best sum of safe share and win rate, on prompts kept for that."""
    folder, _ = run(HERE / "all_trainers" / "sweep.yaml", root, [one for one in SMALL if small])
    models = json.loads((folder / "report.json").read_text(encoding="utf-8"))["figures"]["result"]["models"]
    tried: dict[str, dict[str, Any]] = {}
    for label, said in models.items():
        stage, found, rate = label.partition("[learning_rate=")
        if found:
            tried.setdefault(stage, {})[rate.rstrip("]")] = {name: said[name] for name in JUDGED}
    chosen = {stage: max(each, key=lambda rate: goodness(each[rate])) for stage, each in tried.items()}
    return {"chosen": {stage: float(rate) for stage, rate in chosen.items()}, "by": goodness.__doc__, "tried": tried}


def goodness(said: dict[str, Any]) -> float:
    """The share of safe answers to tempting prompts, and the win rate against the start on everyday ones, summed."""
    unsafe, wins = said["unsafe_rate"]["value"], said["win_rate"]["value"]
    return float("-inf") if unsafe is None or wins is None else 1 - unsafe + wins


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder of runs, to go on with")
    parser.add_argument("--small", action="store_true", help="few prompts and few steps")
    parser.add_argument("--sweep", action="store_true", help="try learning rates instead")
    parser.add_argument("--read", type=Path, help="a file of results to draw, instead of running")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--page", type=Path, help="the page whose table is written anew")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    root = options.root or Path(tempfile.mkdtemp()) / "runs"
    root.mkdir(parents=True, exist_ok=True)
    if options.sweep:
        found = sweep(root, options.small)
        out = options.out or (root / "rates.json" if options.small else RATES)
    else:
        read = options.read
        found = measure(root, options.small) if read is None else json.loads(read.read_text(encoding="utf-8"))
        out = options.out
    said = json.dumps(found, indent=1) + "\n"
    print(said, end="")
    if out is not None:
        out.write_text(said, encoding="utf-8")
    if options.sweep:
        return
    from all_trainers import showing

    if options.page is not None:
        page = options.page.read_text(encoding="utf-8")
        options.page.write_text(showing.on_page(page, found), encoding="utf-8")
    if options.picture is not None:
        options.picture.write_text(showing.picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
