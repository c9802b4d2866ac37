"""Disks that fill up, fail or are read-only: never exit code 0, never a broken artifact, and the same command goes on."""

import contextlib
import errno
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from constitutional.engine.run import run
from constitutional.store.folder import Store
from tests.crash.killing import artifacts, write
from tests.engine.support import Echo, chain, registry

TEXTS = [f"prompt {number}" for number in range(6)]


class Failing:
    """Lets the n-th call that changes a disk fail, for ever after or once."""

    def __init__(self, monkeypatch, number, code):
        self.left, self.code, self.failed = number, code, False
        for name in ("fsync", "rename", "replace", "mkdir", "symlink"):
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))
        self._commit(monkeypatch)

    def _wrapped(self, call):
        def maybe(*args, **kwargs):
            self._count()
            return call(*args, **kwargs)

        return maybe

    def _count(self):
        self.left -= 1
        if self.left == 0:
            self.failed = True
            raise OSError(self.code, os.strerror(self.code))

    def _commit(self, monkeypatch):
        """SQLite's own writes: a transaction fails as it does on a full disk."""
        from constitutional.store.journal import Journal

        plain = Journal._write_pending

        def maybe(journal):
            try:
                self._count()
            except OSError as error:
                raise sqlite3.OperationalError("database or disk is full") from error
            return plain(journal)

        monkeypatch.setattr(Journal, "_write_pending", maybe)


def attempt(root: Path) -> str:
    store = Store(root)
    try:
        return run(chain(TEXTS), registry(), store, say=lambda said: None).status
    finally:
        with contextlib.suppress(Exception):
            store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    assert attempt(root) == "finished"
    return artifacts(root)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_the_nth_write_fails_for_every_n(code, whole, tmp_path):
    number, failures = 0, 0
    while True:
        number += 1
        root = tmp_path / f"at-{number}"
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, number, code)
            with contextlib.suppress(Exception):
                status = attempt(root)
                assert not failing.failed or status == "finished", "a failed write was not noticed"
        if not failing.failed:
            break
        failures += 1
        Echo.calls.clear()
        assert attempt(root) == "finished"
        assert artifacts(root) == whole, f"after failure {number}"
    assert failures > 20


def limited(spec: Path, root: Path, kilobytes: int | None) -> subprocess.CompletedProcess[str]:
    """Run a spec in a process whose files may not grow beyond a size."""

    def limit() -> None:
        if kilobytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, kilobytes * 1024))

    command = [sys.executable, "-m", "constitutional.cli.main", "run", str(spec), "--plain", "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.fixture
def spec(tmp_path):
    return write(tmp_path, 60)


def test_a_disk_without_room_is_never_a_success(spec, tmp_path):
    assert limited(spec, tmp_path / "whole", None).returncode == 0
    expected = artifacts(tmp_path / "whole")
    codes = []
    for kilobytes in (4, 24, 64, 160):
        root = tmp_path / f"room-{kilobytes}"
        ended = limited(spec, root, kilobytes)
        codes.append(ended.returncode)
        if ended.returncode == 0:
            assert artifacts(root) == expected
            continue
        assert ended.returncode == 74, ended.stderr
        assert "Traceback" not in ended.stderr
        assert "error:" in ended.stderr
        again = limited(spec, root, None)
        assert again.returncode == 0, again.stderr
        assert artifacts(root) == expected
    assert codes[0] != 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said(spec, tmp_path):
    root = tmp_path / "closed"
    root.mkdir(mode=0o500)
    ended = limited(spec, root, None)
    assert ended.returncode == 74
    assert "Traceback" not in ended.stderr


def test_a_root_that_is_a_file_is_said(spec, tmp_path):
    (tmp_path / "file").write_text("")
    ended = limited(spec, tmp_path / "file", None)
    assert ended.returncode in (2, 74)
    assert "Traceback" not in ended.stderr


def test_a_journal_that_was_cut_is_said_or_read(spec, tmp_path):
    """A file that a crash of the machine cut short is an error in words, or harmless; never a wrong result."""
    root = tmp_path / "runs"
    assert limited(spec, root, None).returncode == 0
    expected = artifacts(root)
    journal = root / ".store" / "journal.sqlite"
    size = journal.stat().st_size
    with journal.open("r+b") as file:
        file.truncate(size // 2 + 100)
    for folder in (root / ".store" / "artifacts").iterdir():
        if folder.name != "tmp":
            import shutil

            shutil.rmtree(folder)
    ended = limited(spec, root, None)
    if ended.returncode == 0:
        assert artifacts(root) == expected
    else:
        assert ended.returncode == 74
        assert "Traceback" not in ended.stderr
        assert "journal" in ended.stderr
