"""Parcels and mirrors: paths are right at both ends, and what arrives is what was there."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("constitutional_ray", reason="constitutional-ray is not installed")
from constitutional_ray import mirror, parcel
from constitutional_ray.streams import CHUNK, ChunkReader, ChunkWriter
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.api import RunError


def job_at(home: Path, **more: Any) -> Path:
    job = home / "work" / "abc"
    job.mkdir(parents=True)
    said = {"step": "s", "stored": {}, "models": {}, "local_plugins": [], "files": [], "constitution": None,
            "workdir": str(job), "params": {}}  # fmt: skip
    (job / "job.json").write_text(json.dumps({**said, **more}))
    return job


def there(job: Path, root: Path) -> tuple[Path, parcel.Names]:
    """The job on a node."""
    names = parcel.names_of(job)
    stream = io.BytesIO()
    parcel.pack(names, stream)
    stream.seek(0)
    parcel.unpack(stream, root)
    return parcel.settle(root, names), names


def test_all_that_a_job_names_is_there_under_the_paths_of_the_node(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("rows", "model", "model-2", "adapter"):
        (home / name).mkdir(parents=True)
        (home / name / "here.txt").write_text(name)
    (home / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(home / "model")}))
    (home / "rules.yaml").write_text("rules")
    job = job_at(
        home, stored={"rows": [{"path": str(home / "rows"), "flow": "prompts"}]}, constitution=str(home / "rules.yaml"),
        models={"model": str(home / "adapter"), "hub": "org/name", "other": str(home / "model-2")}, files=[str(home / "rules.yaml")],
        params={"file": str(home / "rules.yaml"), "word": "/not/a/path", "list": [str(home / "model" / "here.txt")]},
    )  # fmt: skip
    (job / "checkpoint").write_text("7")
    moved, _ = there(job, tmp_path / "node")
    said = json.loads((moved / "job.json").read_text())
    assert str(home) not in json.dumps(said)
    assert Path(said["stored"]["rows"][0]["path"], "here.txt").read_text() == "rows"
    assert Path(said["models"]["other"], "here.txt").read_text() == "model-2"
    assert said["models"]["hub"] == "org/name"
    assert Path(said["params"]["list"][0]).read_text() == "model"
    assert said["params"]["word"] == "/not/a/path"
    assert said["workdir"] == str(moved)
    assert (moved / "checkpoint").read_text() == "7"
    adapter = json.loads(Path(said["models"]["model"], "adapter_config.json").read_text())
    assert Path(adapter["base_model_name_or_path"], "here.txt").read_text() == "model"


def test_results_come_home_with_the_paths_of_home(tmp_path: Path) -> None:
    (tmp_path / "home" / "model").mkdir(parents=True)
    job = job_at(tmp_path / "home", models={"model": str(tmp_path / "home" / "model")})
    moved, names = there(job, tmp_path / "node")
    base = json.loads((moved / "job.json").read_text())["models"]["model"]
    (moved / "model").mkdir()
    (moved / "model" / "adapter_config.json").write_text(json.dumps({"base": base, "other": f"{base}-2"}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x").write_text("x")
    (moved / "rows").mkdir()
    (moved / "rows" / "main.parquet").write_bytes(b"rows")
    (moved / "outcome.json").write_text(json.dumps({"folders": {"": str(moved / "model"), "b": str(elsewhere)}}))
    stream = io.BytesIO()
    parcel.pack_results(tmp_path / "node", names, stream)
    stream.seek(0)
    parcel.unpack(stream, job)
    folders = json.loads((job / "outcome.json").read_text())["folders"]
    assert folders[""] == str(job / "model")
    assert Path(folders["b"], "x").read_text() == "x"
    adapter = json.loads((job / "model" / "adapter_config.json").read_text())
    assert adapter == {"base": str(tmp_path / "home" / "model"), "other": f"{base}-2"}
    assert (job / "rows" / "main.parquet").read_bytes() == b"rows"


def test_what_is_not_there_cannot_be_sent(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not there to be sent"):
        there(job_at(tmp_path, files=[str(tmp_path / "gone")]), tmp_path / "node")


def test_a_stream_that_would_leave_its_folder_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w|") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    stream.seek(0)
    with pytest.raises(tarfile.OutsideDestinationError):
        parcel.unpack(stream, tmp_path / "in")
    assert not (tmp_path / "outside").exists()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3 * CHUNK // 2), max_size=4))
def test_a_stream_in_chunks_is_the_stream(sizes: list[int]) -> None:
    written: list[bytes] = []
    writer = ChunkWriter(lambda chunk: written.append(chunk) or chunk)
    whole = b"".join(bytes([number + 65]) * size for number, size in enumerate(sizes))
    for number, size in enumerate(sizes):
        writer.write(bytes([number + 65]) * size)
    assert writer.finish() == written
    assert all(len(chunk) == CHUNK for chunk in written[:-1])
    assert io.BufferedReader(ChunkReader(iter(written))).read() == whole


# -- mirrors -------------------------------------------------------------------------------------------------------------


class Clock:
    """Time that passes when a test says so."""

    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("constitutional_ray.mirror.time.monotonic", lambda: found.now)
    return found


def brought(job: Path, home: Path, copy: mirror.Mirror, last: bool = False) -> list[str]:
    names = copy.changed(last)
    if names:
        stream = io.BytesIO()
        mirror.pack_files(job, names, stream)
        stream.seek(0)
        mirror.settle_files(home, stream, copy.present())
    return names


def test_files_are_brought_home_once_they_rest_in_the_order_they_were_written(tmp_path: Path, clock: Clock) -> None:
    job, home = tmp_path / "node", tmp_path / "home"
    for folder in (job / "checkpoints" / "checkpoint-1", home):
        folder.mkdir(parents=True)
    (home / "job.json").write_text("{}")
    copy = mirror.Mirror(job, 1.0)
    for number, name in enumerate(("weights", "optimizer", "state")):
        path = job / "checkpoints" / "checkpoint-1" / name
        path.write_text(name)
        os.utime(path, ns=(number, 1_000_000_000 - number))
    (job / "log.txt").write_text("said elsewhere")
    assert brought(job, home, copy) == [], "it is not time to look"
    clock.now += 1
    assert brought(job, home, copy) == [], "they may still be written"
    clock.now += 1
    assert [Path(name).name for name in brought(job, home, copy)] == ["state", "optimizer", "weights"]
    assert (home / "checkpoints" / "checkpoint-1" / "state").read_text() == "state"
    clock.now += 1
    assert brought(job, home, copy) == [], "nothing is new"

    (job / "checkpoints" / "checkpoint-1").rename(job / "checkpoints" / "checkpoint-2")
    assert len(brought(job, home, copy, last=True)) == 3
    assert [path.name for path in (home / "checkpoints").iterdir()] == ["checkpoint-2"]
    assert (home / "job.json").exists()
    assert not (home / "log.txt").exists()


def test_what_came_with_the_job_is_not_sent_back(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "checkpoint").write_text("1")
    copy = mirror.Mirror(tmp_path, 1.0)
    clock.now += 2
    assert copy.changed() == []
    assert copy.changed(last=True) == []
