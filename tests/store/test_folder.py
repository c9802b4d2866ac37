"""The store's folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.store.folder import Store


def test_steps_have_absolute_folders_below_a_relative_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("runs"))
    print_of_a_step = "ab" * 32
    assert store.artifacts.folder(print_of_a_step).is_relative_to(tmp_path)
    assert store.workdir(print_of_a_step).is_relative_to(tmp_path)
    assert store.root == Path("runs")  # as people wrote it, and as they are shown it
