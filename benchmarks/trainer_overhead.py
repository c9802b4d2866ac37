"""What each trainer stage costs over the same training written as a bare script, on the embedded model.

    python benchmarks/trainer_overhead.py [--only dpo,kto] [--rows 256] [--times 3] [--out FILE]
    python benchmarks/trainer_overhead.py --only sft,dpo --model-size 0.5b --words 200     # on a machine with a GPU

Both sides train on the same rows with the same seed, batch, learning rate, scheduler and precision, each in a process of its own, in
turns after a warm-up, on the rows asked for and on three times as many: from both come what a step costs and what is fixed.  Prints a table; the figures of the trainers that ran are put into the JSON file, beside those that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.trainer_overhead.cases import CASES
from benchmarks.trainer_overhead.compare import compared, table
from benchmarks.trainer_overhead.setting import Setting
from benchmarks.trainer_overhead.sizes import SHAPES, save
from constitutional.builtin.backends.loading import resolve

OUT = Path(__file__).parent / "results" / "trainer_overhead.json"


#: What both processes of a comparison are started with.
SURROUNDINGS = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRL_EXPERIMENTAL_SILENCE": "1",
                "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip


def main(given: Sequence[str] | None = None) -> int:
    os.environ.update(SURROUNDINGS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CASES), help="trainers, with commas between")
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--words", type=int, default=12, help="words of a prompt and of an answer")
    parser.add_argument(
        "--threads", type=int, help="threads of each process, for a machine that has other things to do"
    )
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument(
        "--model-size", choices=SHAPES, help="a model of this size with random weights; packing for sft"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(given)
    if options.threads:
        os.environ["OMP_NUM_THREADS"] = str(options.threads)
    names = options.only.split(",")
    unknown = [name for name in names if name not in CASES]
    if unknown:
        parser.error(f"no trainer is called {', '.join(unknown)}: {', '.join(CASES)}")
    place = Path(resolve("builtin:support-agent"))
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(str(place), batch_size=options.batch_size)
        if options.model_size:
            attention = "flash_attention_2" if find_spec("flash_attn") else "sdpa"
            setting = Setting(str(save(options.model_size, Path(folder) / "model", place)), batch_size=options.batch_size, epochs=1,
                              packing=True, attention=attention)  # fmt: skip
        found = []
        for name in names:
            sides = ["ours", "bare", *(["defaults"] if options.model_size and name in ("sft", "dpo") else [])]
            found.append(compared(name, setting, options.rows, options.words, options.times, sides))
            found[-1] |= {
                "model": options.model_size or "builtin:support-agent",
                "attention": setting.attention,
                "threads": options.threads,
            }
            keep(options.out, found[-1])
    print(table(found))
    return 0


def keep(out: Path, one: dict[str, object]) -> None:
    """Put a trainer's figures in the place of those that were there."""
    there = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    key = str(one["trainer"]) if one["model"] == "builtin:support-agent" else f"{one['trainer']} {one['model']}"
    trainers = {**there.get("trainers", {}), key: one}
    out.write_text(
        json.dumps({"machine": machine(), "budget": 1.03, "trainers": trainers}, indent=1) + "\n", encoding="utf-8"
    )


def machine() -> dict[str, object]:
    import torch
    import transformers
    import trl

    there = torch.cuda.is_available()
    return {"cores": os.cpu_count(), "accelerator": torch.cuda.get_device_name(0) if there else None, "python": platform.python_version(),
            "torch": torch.__version__, "transformers": transformers.__version__, "trl": trl.__version__}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
