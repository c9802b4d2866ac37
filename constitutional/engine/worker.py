"""The worker: one whole stage in a process of its own.

``python -m constitutional.engine.worker FOLDER`` reads `job.json`, runs the stage and leaves `outcome.json`; rows go to
`rows/OUTPUT.parquet`, progress to `progress.jsonl`, what libraries print to `log.txt`.  Started again after a crash, the
stage finds its checkpoints in its workdir.  Where the stage asks for several processes, torchrun runs this module in each;
rank 0 alone leaves rows, progress and the outcome.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constitutional.constitution.model import Constitution
from constitutional.engine import ranks
from constitutional.engine.context import Report, Whole
from constitutional.engine.inputs import Job, StoredInputs
from constitutional.errors import ConstitutionalError
from constitutional.ids import Json
from constitutional.parameters import Template as TemplateMark
from constitutional.parameters import marked
from constitutional.plugins import Registry
from constitutional.ports import Flow
from constitutional.prompts import load
from constitutional.records import Record
from constitutional.stage import Outputs, WholeStage
from constitutional.store.columns import write_rows

#: Progress is written at most this often.
EVERY_SECONDS = 0.2


def main(folder: Path) -> int:
    """Run the job in `folder`; 0 where it left an outcome without an error."""
    try:
        outcome: Mapping[str, Any] = _run(folder)
    except ConstitutionalError as error:
        outcome = {"error": str(error), "help": error.help}
    except Exception as error:  # noqa: BLE001  (whatever a stage raises is told to the engine in words)
        outcome = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    if "error" in outcome or ranks.rank() == 0:
        last = ranks.outcome(folder)
        aside = last.with_name(f"{last.name}.tmp")
        aside.write_text(json.dumps(outcome, ensure_ascii=False), encoding="utf-8")
        aside.replace(last)
    return 1 if "error" in outcome else 0


def _run(folder: Path) -> Mapping[str, Any]:
    job = Job.read(folder)
    registry = Registry()
    for path in job.local_plugins:
        registry.add_local(Path(path))
    stage_type = registry.stage(job.kind, job.stage).cls
    params = stage_type.Params.model_validate(dict(job.params), context={"folder": job.params_folder})
    stage = stage_type(params)
    assert isinstance(stage, WholeStage)
    processes = stage.processes(params)
    if processes > 1 and not ranks.started():
        ranks.start(folder, processes)
    ranks.joined(processes)
    inputs = StoredInputs(stage.takes, registry.records(), job.stored, job.models, job.labels)
    names = [getattr(params, name) for name in marked(type(params), TemplateMark)]
    templates = {name: load(name, registry.template_packs()) for name in names if name is not None}
    context = Whole(_constitution(job), job.seed, Path(job.workdir), _progress(folder), templates)
    context.workdir.mkdir(parents=True, exist_ok=True)
    outputs = stage.run(inputs, context)
    return _leave(folder, outputs, stage_type.gives(params), job, registry) if ranks.rank() == 0 else {}


def _progress(folder: Path) -> Report:
    return _Progress(folder / "progress.jsonl") if ranks.rank() == 0 else lambda done, total, **metrics: None


def _constitution(job: Job) -> Constitution:
    from constitutional.constitution.read import read_constitution

    return read_constitution(Path(job.constitution)) if job.constitution else Constitution.empty()


def _leave(
    folder: Path, outputs: Outputs, gives: Mapping[str, Flow], job: Job, registry: Registry
) -> Mapping[str, Any]:
    (folder / "rows").mkdir(exist_ok=True)
    for name, rows in outputs.rows.items():
        flow = gives.get(name, Record)
        record = registry.records()[job.same] if flow is Record and job.same else flow
        assert issubclass(record, Record)
        write_rows(folder / "rows" / f"{name or 'main'}.parquet", record, rows)
    return {
        "rows": list(outputs.rows),
        "folders": {name: str(path) for name, path in outputs.folders.items()},
        "figures": dict(outputs.figures),
        "fates": [[fate, reason, count] for (fate, reason), count in outputs.fates.items()],
    }


class _Progress:
    """Appends a line now and then; the last word is always written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._last = 0.0

    def __call__(self, done: int, total: int, **metrics: Json) -> None:
        now = time.monotonic()
        if now - self._last < EVERY_SECONDS and done < total and "notice" not in metrics:
            return
        self._last = now
        self._file.write(json.dumps({"done": done, "total": total, "metrics": metrics}) + "\n")
        self._file.flush()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    sys.exit(main(Path(sys.argv[1])))
