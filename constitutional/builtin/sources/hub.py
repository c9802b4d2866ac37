"""Rows from `datasets`: a name on the hub, or a folder left by `save_to_disk`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from constitutional.api import DataError, JsonObject, Source, SourceParams, SpecPath
from constitutional.builtin.contents import content_digest
from constitutional.builtin.sources.shared import Columns, identity_of, shaped


class HubParams(Columns):
    """Parameters of a data set on the hub."""

    path: str
    """The data set's name: `Anthropic/hh-rlhf`."""

    config: str | None = None
    """Which of its configurations, where it has several."""

    split: str = "train"
    """Which split."""

    revision: str | None = None
    """A commit, so that the rows cannot change; without one the name alone identifies them."""

    data_dir: str | None = None
    """A folder inside the data set: `harmless-base`."""


class HubSource(Source):
    """A data set on the hub, streamed; nothing in it is run."""

    name = "hub"
    Params: ClassVar[type[SourceParams]] = HubParams

    def rows(self) -> Iterator[Mapping[str, Any]]:
        from datasets import load_dataset

        p = self.params
        try:
            data = load_dataset(
                p.path, p.config, split=p.split, revision=p.revision, data_dir=p.data_dir, streaming=True
            )
            yield from shaped(data, p)
        except (OSError, ValueError) as error:
            raise DataError(
                f"data set {p.path}: {error}", help="without a network, save it to a folder and use `source: saved`"
            ) from error

    def identity(self) -> JsonObject:
        p = self.params
        return {
            "hub": p.path,
            "config": p.config,
            "split": p.split,
            "revision": p.revision,
            "data_dir": p.data_dir,
            **identity_of(p),
        }


class SavedParams(Columns):
    """Parameters of a saved data set."""

    path: SpecPath
    """The folder that `save_to_disk` wrote."""

    split: str | None = None
    """Which split, where the folder has several."""


class SavedSource(Source):
    """A folder left by `datasets.save_to_disk`."""

    name = "saved"
    Params: ClassVar[type[SourceParams]] = SavedParams

    def rows(self) -> Iterator[Mapping[str, Any]]:
        import pyarrow as pa
        from datasets import DatasetDict, load_from_disk

        p = self.params
        try:
            data = load_from_disk(str(p.path))
            if isinstance(data, DatasetDict):
                if p.split not in data:
                    raise DataError(f"{p.path} has the splits {', '.join(data)}", help="name one: `split: train`")
                data = data[p.split]
            elif p.split is not None:
                raise DataError(f"{p.path} is one data set without splits", help="leave out `split:`")
            if not len(data):
                raise DataError(f"{p.path} has no rows")
        except (OSError, ValueError, KeyError, IndexError, TypeError, pa.ArrowException) as error:
            raise DataError(f"{p.path}: not a saved data set, or an empty one: {error}") from error
        yield from shaped(data, p)

    def identity(self) -> JsonObject:
        folder: Path = self.params.path
        whole = hashlib.sha256()
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            whole.update(f"{file.relative_to(folder)}\0{content_digest(file)}\n".encode())
        return {"content": whole.hexdigest(), "split": self.params.split, **identity_of(self.params)}
