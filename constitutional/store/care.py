"""Care of a store: what is in it, whether it is whole, and what nobody needs any more.

Nothing here reads artifacts whole but `verify`: sizes come from the file system, counts from `artifact.json`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from constitutional.errors import RunError, RunLocked
from constitutional.store.artifacts import MANIFEST, ROWS, file_digest, folder_digest
from constitutional.store.folder import RunFolder, Store, run_names


@dataclass(frozen=True, slots=True)
class Kept:
    """One thing in the store: where it lies, its bytes, what made it, and the runs that need it."""

    path: Path
    size: int
    made_by: str
    changed: float
    runs: Sequence[str] = ()


def needed(store: Store) -> dict[str, list[str]]:
    """Fingerprints that the runs' manifests name, and the names of those runs."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in run_names(store.root):
        for step in RunFolder(store, name).manifest().get("steps", {}).values():
            found[step["fingerprint"]].append(name)
    return found


def artifacts(store: Store) -> Iterator[Kept]:
    """Every finished step in the store."""
    used = needed(store)
    for folder in sorted(store.artifacts.root.glob("*/*")):
        if folder.parent.name == "tmp" or not (folder / MANIFEST).is_file():
            continue
        with contextlib.suppress(RunError):
            stage = store.artifacts.finished(folder.name).stage
            yield Kept(folder, _size(folder), stage, folder.stat().st_mtime, used.get(folder.name, ()))


def leftovers(store: Store) -> Iterator[Kept]:
    """What broken writes, `--redo` and unfinished stages that no run names have left behind."""
    used = needed(store)
    for folder in sorted(store.artifacts.root.glob("tmp/*")):
        yield Kept(folder, _size(folder), "set aside", folder.stat().st_mtime)
    for folder in sorted((store.root / ".store" / "work").glob("*")):
        if folder.name not in used and folder.name != "servers":
            yield Kept(folder, _size(folder), "work", folder.stat().st_mtime)


def calls(store: Store) -> Counter[str]:
    """How many answers of each model the journal keeps."""
    if not store.has_journal:
        return Counter()
    with contextlib.closing(sqlite3.connect(f"file:{store.root}/.store/journal.sqlite?mode=ro", uri=True)) as db:
        return Counter(dict(db.execute("select model, count(*) from calls group by model")))


def broken(store: Store) -> Iterator[tuple[Path, str]]:
    """Every artifact whose bytes are not those that were written, and the journal where it is damaged, with the reason."""
    for kept in artifacts(store):
        for name, output in store.artifacts.finished(kept.path.name).outputs.items():
            place = kept.path / (name or "main")
            try:
                found = folder_digest(place) if output.rows is None else file_digest(place / ROWS)
            except OSError as error:
                yield place, str(error)
                continue
            if found != output.digest:
                yield place, "its content has changed"
    if store.has_journal:
        path = store.root / ".store" / "journal.sqlite"
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                said = [row[0] for row in db.execute("pragma integrity_check(5)")]
        except sqlite3.Error as error:
            said = [str(error)]
        if said != ["ok"]:
            yield path, "; ".join(said)


def unneeded(store: Store, older_than: float = 0.0, most: int | None = None) -> list[Kept]:
    """What may go: what no run names and is older than so many seconds; the oldest first, until `most` bytes are left."""
    now = time.time()
    free = [
        kept for kept in (*artifacts(store), *leftovers(store)) if not kept.runs and now - kept.changed >= older_than
    ]
    free.sort(key=lambda kept: kept.changed)
    if most is None:
        return free
    total, chosen = _size(store.root / ".store"), []
    for kept in free:
        if total <= most:
            break
        chosen.append(kept)
        total -= kept.size
    return chosen


@contextlib.contextmanager
def alone(store: Store) -> Iterator[None]:
    """Hold the whole store: no run is under way, and none can start.

    Raises:
        RunLocked: if one is.
    """
    path = store.root / ".store" / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunLocked(f"a run is under way in {store.root}", help="prune when it has ended") from None
        yield


def remove(kept: Sequence[Kept]) -> int:
    """Delete, and return how many bytes that were."""
    for one in kept:
        shutil.rmtree(one.path, ignore_errors=True)
    return sum(one.size for one in kept)


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  (a million files: Path is slow)
    return total
