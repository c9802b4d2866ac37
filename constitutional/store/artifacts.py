"""Artifacts: finished steps, each a folder named by its fingerprint.

A folder is written aside, synced and renamed into place, so it is there whole or not at all; two runs that finish the
same step write the same thing and the second to arrive finds it done.  `artifact.json` says what is in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from constitutional.errors import RunError

FORMAT = 1
MANIFEST = "artifact.json"
ROWS = "rows.parquet"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a finished step: rows of a record type (by port), or a folder of an artifact type."""

    flow: str
    rows: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What `artifact.json` says of a finished step.  Nothing in it depends on time, machine or path."""

    fingerprint: str
    stage: str
    parts: Mapping[str, Any]
    outputs: Mapping[str, Output]
    rows_in: int
    ledger: Mapping[str, int]
    reasons: Mapping[str, Mapping[str, int]]
    figures: Mapping[str, Any] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0


class Artifacts:
    """The content-addressed folder of finished steps."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, fingerprint: str) -> Path:
        return self.root / fingerprint[:2] / fingerprint

    def has(self, fingerprint: str) -> bool:
        return (self.folder(fingerprint) / MANIFEST).is_file()

    def finished(self, fingerprint: str) -> Finished:
        """What is known of a finished step.

        Raises:
            RunError: if it is not there or was written by another version.
        """
        path = self.folder(fingerprint) / MANIFEST
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"the artifact {path.parent} cannot be read: {error}", help="delete it to redo the step"
            ) from error
        if said.pop("format") != FORMAT:
            raise RunError(f"{path} was written by another version", help="delete it to redo the step")
        return Finished(**{**said, "outputs": {name: Output(**output) for name, output in said["outputs"].items()}})

    def path(self, fingerprint: str, output: str) -> Path:
        """The folder of one output of a finished step."""
        return self.folder(fingerprint) / (output or "main")

    @contextlib.contextmanager
    def writing(self, fingerprint: str) -> Iterator[Path]:
        """A folder to fill; on leaving without an error, and after `seal`, it becomes the artifact."""
        aside = self.begin(fingerprint)
        try:
            yield aside
            self.adopt(aside, fingerprint)
        finally:
            self.discard(aside)

    def begin(self, fingerprint: str) -> Path:
        """A folder aside, to be filled, sealed and adopted, or discarded."""
        aside = self.root / "tmp" / f"{fingerprint[:16]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        aside.mkdir(parents=True)
        return aside

    def discard(self, aside: Path) -> None:
        shutil.rmtree(aside, ignore_errors=True)

    def adopt(self, aside: Path, fingerprint: str) -> None:
        """Sync a sealed folder and put it in its place."""
        if not (aside / MANIFEST).is_file():
            raise RunError("an artifact was not sealed")
        for path in sorted(aside.rglob("*")):
            _sync(path)
        final = self.folder(fingerprint)
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.rename(final)
        except OSError:
            if not self.has(fingerprint):
                raise
        _sync(final.parent)

    def set_aside(self, fingerprint: str) -> None:
        """Let a finished step count as not done; what it was stays in `tmp` until it is pruned."""
        aside = self.root / "tmp" / f"before-{fingerprint[:16]}-{uuid.uuid4().hex[:8]}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        if self.has(fingerprint):
            self.folder(fingerprint).rename(aside)

    def remove(self, fingerprint: str) -> None:
        shutil.rmtree(self.folder(fingerprint), ignore_errors=True)


def seal(folder: Path, finished: Finished) -> None:
    """Write `artifact.json`, last of all."""
    outputs = {name: {"flow": o.flow, "rows": o.rows, "digest": o.digest} for name, o in finished.outputs.items()}
    said = {"format": FORMAT, **{name: getattr(finished, name) for name in Finished.__slots__}, "outputs": outputs}
    text = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and contents of all files below a folder."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n".encode())
    return whole.hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
