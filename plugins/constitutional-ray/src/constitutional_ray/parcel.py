"""Parcels: all that a job reads in one stream, with its paths made right at both ends.

What is sent lies under names of its own (`job`, `in/0/NAME`, ...).  On the node the paths in `job.json` are turned into
paths there; before the results go home every path of the node in them is turned back, so that what arrives is what a
run at home would have left.
"""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

from constitutional.api import RunError

JOB = "job"
OUTCOME = "outcome.json"
#: The file of an adapter that names its model.
ADAPTER = "adapter_config.json"
#: Files of settings in an output, in which a path may stand; larger ones are data.
SETTINGS_BYTES = 1_000_000

#: Paths at home and their names in the parcel.
Names: TypeAlias = Mapping[str, str]


def names_of(job: Path) -> Names:
    """What the job in this folder reads, each with its name in the parcel."""
    said = json.loads((job / "job.json").read_text(encoding="utf-8"))
    wanted = [item["path"] for items in said["stored"].values() for item in items]
    wanted += [model for model in said["models"].values() if Path(model).is_absolute()]
    wanted += [*said["files"], *said["local_plugins"], *([said["constitution"]] if said["constitution"] else [])]
    wanted += [base for path in wanted if (base := base_of(Path(path))) is not None]
    inside = {path: f"in/{number}/{Path(path).name}" for number, path in enumerate(dict.fromkeys(wanted))}
    return {str(job): JOB, said["workdir"]: JOB, **inside}


def base_of(folder: Path) -> str | None:
    """The folder of the model that an adapter in this one is put on."""
    config = folder / ADAPTER
    if not config.is_file():
        return None
    base = str(json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path", ""))
    return base if base.startswith("/") and Path(base).is_dir() else None


def pack(names: Names, to: IO[bytes]) -> None:
    """Write what the names stand for as one stream."""
    with tarfile.open(fileobj=to, mode="w|", dereference=True) as tar:
        for inside, path in {inside: path for path, inside in names.items()}.items():
            if not Path(path).exists():
                raise RunError(f"{path} is not there to be sent to a node")
            tar.add(path, arcname=inside)


def unpack(stream: IO[bytes], root: Path) -> None:
    """Lay a stream out under `root`; names that would leave it are refused."""
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(root, filter="data")


def settle(root: Path, names: Names) -> Path:
    """Turn the paths in an unpacked job, and in its adapters, into paths here, and return the job's folder."""
    job = root / JOB
    here = {path: str(root / inside) for path, inside in names.items()}
    settle_adapters(root, here)
    said = json.loads((job / "job.json").read_text(encoding="utf-8"))
    (job / "job.json").write_text(json.dumps(_turned(said, here), ensure_ascii=False), encoding="utf-8")
    return job


def settle_adapters(root: Path, here: Names) -> None:
    """Let unpacked adapters name the models that were unpacked beside them."""
    for config in root.glob(f"in/*/*/{ADAPTER}"):
        replace_paths(config, here)


def pack_results(root: Path, names: Names, to: IO[bytes]) -> None:
    """Write what a worker left: its outcome, rows and folders, with the paths of home."""
    job = root / JOB
    with tarfile.open(fileobj=to, mode="w|", dereference=True) as tar:
        if not (job / OUTCOME).is_file():
            return
        home = {str(root / inside): path for path, inside in names.items()}
        for folder in _folders(job):
            for path in folder.rglob("*.json"):
                if path.stat().st_size <= SETTINGS_BYTES:
                    replace_paths(path, home)
            tar.add(folder, arcname=str(folder.relative_to(job)))
        replace_paths(job / OUTCOME, home)
        for name in (OUTCOME, "rows"):
            if (job / name).exists():
                tar.add(job / name, arcname=name)


def _folders(job: Path) -> list[Path]:
    """The folders that the outcome names, each inside the job's own: others are moved there."""
    said = json.loads((job / OUTCOME).read_text(encoding="utf-8"))
    found = []
    for number, (name, written) in enumerate(said.get("folders", {}).items()):
        folder = Path(written)
        if not folder.is_relative_to(job):
            folder = job / "outputs" / str(number)
            shutil.copytree(written, folder)
            said["folders"][name] = str(folder)
        found.append(folder)
    (job / OUTCOME).write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
    return found


def replace_paths(path: Path, ways: Mapping[str, str]) -> None:
    """Put other paths into a JSON text, whose other bytes stay as they are."""
    before = after = path.read_text(encoding="utf-8")
    for old, new in ways.items():
        quoted = json.dumps(old, ensure_ascii=False)[1:-1]
        becomes = json.dumps(new, ensure_ascii=False)[1:-1]
        after = re.sub(f'(?<="){re.escape(quoted)}(?=["/])', becomes.replace("\\", r"\\"), after)
    if after != before:
        path.write_text(after, encoding="utf-8")


def _turned(value: Any, ways: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _turned(inner, ways) for key, inner in value.items()}
    if isinstance(value, list):
        return [_turned(inner, ways) for inner in value]
    if not isinstance(value, str):
        return value
    for old, new in ways.items():
        if value == old or value.startswith(f"{old}/"):
            return new + value[len(old) :]
    return value
