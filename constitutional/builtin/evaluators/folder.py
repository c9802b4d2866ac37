"""The folder of an evaluator's report."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from constitutional.api import JsonObject

#: How a report says which one it is made like.
FORMAT = 1


def write(folder: Path, report: JsonObject, name: str, lines: Iterable[JsonObject]) -> Path:
    """Write `report.json`, and the lines into the file of that name, anew; the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = (json.dumps(line, ensure_ascii=False, allow_nan=False, default=str) for line in lines)
    (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return folder
