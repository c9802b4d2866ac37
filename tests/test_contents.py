"""Digests of files that are read once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from constitutional.builtin import contents


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Every file that is really read, with a cache of the test's own and files that are large from the first byte."""
    seen: list[Path] = []

    def read(path: Path) -> str:
        seen.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(contents, "_digest", read)
    monkeypatch.setattr(contents, "LARGE", 1)
    monkeypatch.setattr(contents, "SETTLED_NS", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    contents._remembered.cache_clear()
    return seen


def again(path: Path) -> str:
    """As another process would ask."""
    contents._remembered.cache_clear()
    return contents.content_digest(path)


def test_a_large_file_is_read_once_whoever_asks(reads: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert [again(file), again(file), again(file)] == [expected] * 3
    assert reads == [file]


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_that_changed_is_read_again(reads: list[Path], tmp_path: Path, keep_time: bool) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"one")
    before, stat = again(file), file.stat()
    file.write_bytes(b"two")
    if keep_time:  # of the same size, and with a time that was set back: the change itself still has a time
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert again(file) != before
    assert len(reads) == 2


def test_a_note_that_is_damaged_or_cannot_be_written_costs_time_alone(
    reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"weights")
    right = again(file)
    (note,) = (tmp_path / "cache/constitutional/digests").iterdir()
    note.write_text("half of a dig")
    assert again(file) == right
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # no folder can be made below a file
    assert again(file) == right
    assert len(reads) == 3


def test_small_files_leave_no_notes(reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGE", 100)
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"few")
    again(file)
    assert not (tmp_path / "cache").exists()
