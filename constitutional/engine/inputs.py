"""Inputs of whole and survey stages, read from finished steps; the same in the engine and in a worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from constitutional.errors import RunError
from constitutional.ports import Artifact, Port, widen
from constitutional.records import Record
from constitutional.store.artifacts import ROWS
from constitutional.store.columns import count_rows, read_rows


@dataclass(frozen=True, slots=True)
class Stored:
    """One output of a finished step, on disk: the port name of its type says what it is."""

    path: str
    flow: str
    label: str | None = None


class StoredInputs:
    """`Inputs` over finished steps."""

    def __init__(
        self,
        takes: Mapping[str, Port],
        records: Mapping[str, type[Record]],
        stored: Mapping[str, Sequence[Stored]],
        models: Mapping[str, str],
        labels: Mapping[str, Sequence[str]],
    ) -> None:
        self._takes = takes
        self._records = records
        self._stored = stored
        self._models = models
        self._labels = labels

    def rows(self, port: str) -> Iterator[Any]:
        taken = self._takes[port].type
        for stored in self._stored.get(port, ()):
            for row in read_rows(Path(stored.path) / ROWS, self._records[stored.flow]):
                yield widen(row, taken) if issubclass(taken, Record) else row

    def count(self, port: str) -> int:
        return sum(count_rows(Path(stored.path) / ROWS) for stored in self._stored.get(port, ()))

    def parts(self, port: str) -> Sequence[int]:
        """Rows of each name in a port that takes several, in the order of the spec."""
        return [count_rows(Path(stored.path) / ROWS) for stored in self._stored.get(port, ())]

    def model(self, port: str = "model") -> str:
        if port not in self._models:
            raise RunError(f"no model is connected to port `{port}`")
        return self._models[port]

    def artifact(self, port: str) -> Artifact:
        found = self._stored.get(port, ())
        if len(found) != 1:
            raise RunError(f"port `{port}` has {len(found)} artifacts, not one")
        return Artifact(Path(found[0].path))

    def artifacts(self, port: str) -> Sequence[Artifact]:
        return [Artifact(Path(stored.path)) for stored in self._stored.get(port, ())]

    def labels(self, port: str) -> Sequence[str]:
        return self._labels.get(port, ())


@dataclass(frozen=True, slots=True)
class Job:
    """All that a worker process needs to run one whole stage; written as `job.json`."""

    step: str
    kind: str
    stage: str
    local_plugins: Sequence[str]
    params: Mapping[str, Any]
    params_folder: str
    seed: int
    constitution: str | None
    stored: Mapping[str, Sequence[Stored]]
    models: Mapping[str, str]
    labels: Mapping[str, Sequence[str]]
    same: str | None
    workdir: str
    #: Files and folders that the parameters name.
    files: Sequence[str] = ()

    def write(self, folder: Path) -> None:
        (folder / "job.json").write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Job:
        said = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        stored = {port: [Stored(**item) for item in items] for port, items in said["stored"].items()}
        return cls(**{**said, "stored": stored})
