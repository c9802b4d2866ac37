"""Rows from a folder left by `datasets.save_to_disk`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from constitutional.api import DataError
from constitutional.builtin.sources.hub import SavedParams, SavedSource

ROWS = [{"question": "hello", "chosen": [{"role": "assistant", "content": "a"}]}, {"question": "日本", "chosen": []}]


def saved(folder: Path, **splits: list[Any]) -> Path:
    from datasets import Dataset, DatasetDict

    made = {name: Dataset.from_list(rows) for name, rows in splits.items()}
    (made["train"] if list(made) == ["train"] else DatasetDict(made)).save_to_disk(str(folder))
    return folder


def source(folder: Path, **params: Any) -> SavedSource:
    return SavedSource(SavedParams(path=folder, **params))


def test_a_saved_data_set_is_read(tmp_path: Path) -> None:
    found = list(source(saved(tmp_path / "data", train=ROWS), columns={"prompt": "question"}, limit=1).rows())
    assert found == [{"prompt": "hello", "chosen": [{"role": "assistant", "content": "a"}]}]


def test_one_of_several_splits_is_read(tmp_path: Path) -> None:
    folder = saved(tmp_path / "data", train=ROWS, test=ROWS[:1])
    assert len(list(source(folder, split="train").rows())) == 2
    assert len(list(source(folder, split="test").rows())) == 1


@pytest.mark.parametrize("split", [None, "tets"])
def test_a_split_that_is_not_there_is_met_with_those_that_are(tmp_path: Path, split: str | None) -> None:
    with pytest.raises(DataError, match="train, test"):
        list(source(saved(tmp_path / "data", train=ROWS, test=ROWS), split=split).rows())


def test_the_only_data_set_has_no_split_to_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one data set without splits"):
        list(source(saved(tmp_path / "data", train=ROWS), split="test").rows())


def test_a_folder_that_is_no_data_set_is_an_error_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a saved data set"):
        list(source(tmp_path).rows())


def test_a_damaged_data_set_is_an_error_of_the_data(tmp_path: Path) -> None:
    folder = saved(tmp_path / "data", train=ROWS)
    for arrow in folder.glob("*.arrow"):
        arrow.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a saved data set"):
        list(source(folder).rows())


def test_a_data_set_without_rows_is_an_error_of_the_data(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_dict({"prompt": []}).save_to_disk(str(tmp_path / "data"))
    with pytest.raises(DataError, match=r"no rows|empty"):
        list(source(tmp_path / "data").rows())


def test_identity_is_the_rows_and_not_the_path(tmp_path: Path) -> None:
    folder = saved(tmp_path / "data", train=ROWS)
    shutil.copytree(folder, tmp_path / "elsewhere")
    again = saved(tmp_path / "again", train=ROWS)
    other = saved(tmp_path / "other", train=ROWS[:1])
    assert source(folder).identity() == source(tmp_path / "elsewhere").identity()
    assert source(folder).identity() == source(again).identity()
    assert source(folder).identity() != source(other).identity()
