"""The run folder: a stable layout that people, scripts and viewers may rely on.

::

    runs/
      .store/lock                  shared by runs, held alone while the store is pruned
      .store/journal.sqlite        answers and unfinished rows, shared by all runs beside it
      .store/artifacts/ab/abcd…/   finished steps by fingerprint
      .store/work/abcd…/           checkpoints and logs of unfinished whole stages
      support-agent/               one folder a spec (and matrix cell)
        manifest.json              the steps of the last run: stage, fingerprint, parts, where each output is
        events.jsonl               everything that happened, one event a line
        spec.yaml                  the spec as it was understood
        report.json                figures with n and intervals, gates, paths
        steps/NAME                 link to the step's artifact
        lock                       held while a run works here; the kernel frees it when the process dies
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from constitutional.errors import RunLocked, UserError
from constitutional.store.artifacts import Artifacts
from constitutional.store.journal import Journal

LAYOUT = 1


class Store:
    """Journal and artifacts under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Absolute, since a model's folder is told from a name on a hub by where it begins.
        self._kept = root.absolute() / ".store"
        self.artifacts = Artifacts(self._kept / "artifacts")
        self._journal: Journal | None = None

    @property
    def journal(self) -> Journal:
        """Opened when first needed, so that reading commands need no write access."""
        if self._journal is None:
            self._journal = Journal(self.root / ".store" / "journal.sqlite")
        return self._journal

    @property
    def has_journal(self) -> bool:
        return (self.root / ".store" / "journal.sqlite").is_file()

    def workdir(self, fingerprint: str) -> Path:
        return self._kept / "work" / fingerprint

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None


class RunFolder:
    """One spec's folder of runs."""

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.path = store.root / name

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one run.

        Raises:
            RunLocked: if another process works here, with its pid and host.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise RunLocked(f"{self.path} is in use by {holder}", help="wait for it, or stop it first") from None
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {socket.gethostname()}\n")
            file.flush()
            with self._store_in_use():
                yield

    @contextlib.contextmanager
    def _store_in_use(self) -> Iterator[None]:
        """Any number of runs share the store; whoever prunes it wants it alone.

        Raises:
            RunLocked: while it is pruned.
        """
        path = self.store.root / ".store" / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunLocked(f"{path.parent} is being pruned", help="try again in a moment") from None
            yield

    # -- manifest --------------------------------------------------------------------------------------------------

    def manifest(self) -> Mapping[str, Any]:
        """What the last run wrote, or an empty mapping."""
        return self.read_json("manifest.json") or {}

    def write_manifest(self, steps: Mapping[str, Any], **more: Any) -> None:
        self.write_json("manifest.json", {"layout": LAYOUT, **more, "steps": steps})

    def read_json(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads((self.path / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path / name} cannot be read: {error}") from error

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self.write_text(name, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write aside, sync, rename: the old file or the new one, never half of either."""
        aside = self.path / f".{name}.{os.getpid()}"
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path / name)

    # -- links -----------------------------------------------------------------------------------------------------

    def link(self, step: str, fingerprint: str) -> None:
        """Make `steps/NAME` point at the step's artifact."""
        links = self.path / "steps"
        links.mkdir(exist_ok=True)
        target = os.path.relpath(self.store.artifacts.folder(fingerprint), links)
        link = links / step
        if link.is_symlink() and str(link.readlink()) == target:
            return
        aside = links / f".{step}.{os.getpid()}"
        aside.unlink(missing_ok=True)
        aside.symlink_to(target)
        aside.replace(link)


def run_names(root: Path) -> list[str]:
    """Names of the runs below a root, those with a manifest."""
    return sorted(path.parent.name for path in root.glob("*/manifest.json")) if root.is_dir() else []
