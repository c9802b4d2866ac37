"""Artifacts: whole or not there at all."""

import pytest

from constitutional.errors import RunError, RunLocked
from constitutional.store.artifacts import Artifacts, Finished, Output, folder_digest, seal
from constitutional.store.folder import RunFolder, Store

PRINT = "ab" * 32


def finished(**more):
    values = {"fingerprint": PRINT, "stage": "critic/x", "parts": {}, "outputs": {"": Output("critiques", 1, "d")},
              "rows_in": 1, "ledger": {"kept": 1}, "reasons": {}}  # fmt: skip
    return Finished(**{**values, **more})


def test_a_sealed_folder_becomes_the_artifact(tmp_path):
    store = Artifacts(tmp_path)
    with store.writing(PRINT) as aside:
        (aside / "main").mkdir()
        (aside / "main" / "x").write_text("1")
        assert not store.has(PRINT)
        seal(aside, finished())
    assert store.has(PRINT)
    assert store.finished(PRINT) == finished()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_error_on_the_way_leaves_nothing(tmp_path):
    store = Artifacts(tmp_path)
    with pytest.raises(ZeroDivisionError), store.writing(PRINT) as aside:
        seal(aside, finished())
        raise ZeroDivisionError
    assert not store.has(PRINT)
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_unsealed_folder_is_refused(tmp_path):
    with pytest.raises(RunError, match="sealed"), Artifacts(tmp_path).writing(PRINT):
        pass


def test_the_second_to_finish_finds_it_done(tmp_path):
    store = Artifacts(tmp_path)
    for _ in range(2):
        with store.writing(PRINT) as aside:
            seal(aside, finished())
    assert store.has(PRINT)


def test_a_damaged_manifest_is_said_in_words(tmp_path):
    store = Artifacts(tmp_path)
    with store.writing(PRINT) as aside:
        seal(aside, finished())
    (store.folder(PRINT) / "artifact.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        store.finished(PRINT)


def test_a_folder_digest_covers_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("1")
    before = folder_digest(tmp_path)
    (tmp_path / "a").write_text("2")
    changed = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, changed, folder_digest(tmp_path)}) == 3


def test_a_second_run_in_one_folder_is_refused_with_the_pid(tmp_path):
    import os

    folder = RunFolder(Store(tmp_path), "run")
    with folder.locked():
        with pytest.raises(RunLocked, match=f"pid {os.getpid()}"), RunFolder(Store(tmp_path), "run").locked():
            pass
    with folder.locked():
        pass


def test_links_follow_the_fingerprint(tmp_path):
    store = Store(tmp_path)
    folder = RunFolder(store, "run")
    with folder.locked():
        for fingerprint in (PRINT, "cd" * 32):
            with store.artifacts.writing(fingerprint) as aside:
                seal(aside, finished(fingerprint=fingerprint))
            folder.link("step", fingerprint)
            assert (folder.path / "steps" / "step" / "artifact.json").read_text().count(fingerprint) == 1
