"""What a watch leaves on disk, so that a run that is killed goes on with its curve and its best weights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from constitutional.builtin.trainers.watch.measurement import Measurement


class Curve:
    """Measurements, a line each, in their order."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "curve.jsonl"
        self.measurements: list[Measurement] = []

    def restore(self, step: int) -> None:
        """Read what was measured up to a step, and forget what came after: it will be measured again."""
        self.measurements = []
        if not self._path.is_file():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                found = Measurement.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                break  # the line that a kill cut off is the last one
            if found.step <= step:
                self.measurements.append(found)
        aside = self._path.with_suffix(".unfinished")
        aside.write_text("".join(map(_line, self.measurements)), encoding="utf-8")
        aside.replace(self._path)

    def add(self, found: Measurement) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.measurements.append(found)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(found))
            file.flush()
            os.fsync(file.fileno())


class Weights:
    """The weights at the best measurement so far: those that are trained, by name.

    What was best at the last two checkpoints stays, too: a run that goes on from one of them may need it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._newest: int | None = None
        self._needed: list[set[int]] = [self._steps()]

    def write(self, step: int, learned: Mapping[str, Any]) -> None:
        """Write beside and move into place: a folder that has its name is whole.  Only then do older ones go."""
        from safetensors.torch import save_file

        aside = self._folder / "unfinished"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        save_file(
            {name: one.detach().contiguous().cpu() for name, one in learned.items()}, aside / "weights.safetensors"
        )
        place = self._place(step)
        shutil.rmtree(place, ignore_errors=True)
        aside.rename(place)
        self._newest = step
        self._clear()

    def checkpointed(self) -> None:
        """A checkpoint was written: what is best now may be asked for again."""
        self._needed = [*self._needed[-1:], set() if self._newest is None else {self._newest}]
        self._clear()

    def resumed(self, best: int | None) -> None:
        """A run goes on from a checkpoint at which this step was the best one."""
        self._newest = best

    def _clear(self) -> None:
        for step in self._steps() - set().union(*self._needed) - {self._newest}:
            shutil.rmtree(self._place(step))

    def _steps(self) -> set[int]:
        return {int(path.name[5:]) for path in self._folder.glob("best-*") if path.name[5:].isdecimal()}

    def has(self, step: int) -> bool:
        return self._place(step).is_dir()

    def read(self, step: int, learned: Mapping[str, Any]) -> None:
        """Put them back."""
        import torch
        from safetensors.torch import load_file

        found = load_file(self._place(step) / "weights.safetensors")
        with torch.no_grad():
            for name, one in learned.items():
                one.copy_(found[name])

    def _place(self, step: int) -> Path:
        return self._folder / f"best-{step:08}"


def _line(found: Measurement) -> str:
    return json.dumps(found.to_json(), sort_keys=True) + "\n"
