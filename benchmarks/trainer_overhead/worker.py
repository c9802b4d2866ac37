"""One side of a comparison in a process of its own: trains once for each line that it reads, on as many rows as that says,
and says what it took.

python -m benchmarks.trainer_overhead.worker '{"case": "dpo", "side": "ours", "rows": 256, ...}'
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead.cases import CASES
from benchmarks.trainer_overhead.rows import tokens
from benchmarks.trainer_overhead.setting import Setting


def main() -> None:
    said = json.loads(sys.argv[1])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the lines of this protocol are ours alone
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    case, setting = CASES[said["case"]], Setting(**said["setting"])
    rows = case.rows(said["rows"], said["words"])
    train = case.ours if said["side"] == "ours" else case.bare
    loops = _timed_loops()
    read = tokens(rows, AutoTokenizer.from_pretrained(setting.model))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        train(replace(setting, epochs=1), rows[: 2 * setting.batch_size], folder)
        print(json.dumps({"texts": read, "rows": len(rows)}), file=out, flush=True)
        for line in sys.stdin:
            shutil.rmtree(folder, ignore_errors=True)
            asked = case.rows(int(line), said["words"])
            print(json.dumps(_measured(train, setting, asked, folder, loops)), file=out, flush=True)


def _timed_loops() -> list[float]:
    """Grows by the processor seconds of each training loop of transformers: all steps, and nothing around them."""
    from transformers import Trainer

    found: list[float] = []
    loop = Trainer.train

    def timed(self: Any, *given: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return loop(self, *given, **named)
        finally:
            found.append(time.process_time() - started)

    Trainer.train = timed
    return found


def _measured(train: Any, setting: Setting, rows: Any, folder: Path, loops: list[float]) -> dict[str, Any]:
    import torch

    loops.clear()
    gc.collect()
    there = torch.cuda.is_available()
    if there:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    started, burnt = time.perf_counter(), time.process_time()
    seen = train(setting, rows, folder)
    if there:
        torch.cuda.synchronize()
    burnt = time.process_time() - burnt
    return {"seconds": time.perf_counter() - started, "cpu_seconds": burnt, "around_cpu_seconds": burnt - sum(loops) if loops else None, "losses": seen.losses,
            "sampled": seen.sampled, "rewards": seen.rewards, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "accelerator_mb": torch.cuda.max_memory_allocated() / 2**20 if there else None}  # fmt: skip


if __name__ == "__main__":
    main()
