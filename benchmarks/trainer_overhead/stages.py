"""Our side: a stage as the engine runs it, without the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.trainer_overhead.rows import records
from benchmarks.trainer_overhead.setting import SEED, Rows, Setting, Train
from tests.trainers.support import Trained, train


def trained(stage: type[Any], setting: Setting, rows: Rows, folder: Path, port: str, **options: Any) -> Trained:
    """Run a stage on rows."""
    params = stage.Params.model_validate({**setting.ours(), **options})
    return train(stage(params), folder, Path(setting.model), seed=SEED, **{port: records(port, rows)})


def fitting(name: str, port: str, **options: Any) -> Train:
    """A trainer that fits rows; `name` is `module:class` under the trainers."""
    from benchmarks.trainer_overhead.setting import Seen

    def run(setting: Setting, rows: Rows, folder: Path) -> Seen:
        more = {"packing": True} if setting.packing and name.startswith("sft:") else {}
        done = trained(
            stage_of(name), setting, rows, folder, port, trainer_args={"logging_steps": 1}, **options, **more
        )
        return Seen(done.losses)

    return run


def stage_of(name: str) -> type[Any]:
    from importlib import import_module

    module, _, cls = name.partition(":")
    found: type[Any] = getattr(import_module(f"constitutional.builtin.trainers.{module}"), cls)
    return found
