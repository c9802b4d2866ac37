"""What evaluators share around their figures: each prompt once, a folder for the report, and the ledger of prompts."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from constitutional.api import Fate, JsonObject, Prompt, UserError

#: How a report says which one it is made like.
FORMAT = 1


def each_once(rows: Iterable[Prompt], help: str = "drop repetitions with `dedupe`") -> None:
    """Raises `UserError` where a prompt comes twice: its answers would count as independent."""
    twice = [row_id for row_id, times in Counter(row.row_id for row in rows).items() if times > 1]
    if twice:
        raise UserError(f"{len(twice)} prompts come more than once, the first is row {twice[0]}", help=help)


def write(folder: Path, report: JsonObject, name: str, lines: Iterable[JsonObject]) -> Path:
    """Write `report.json`, and the lines into the file of that name, anew; the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    texts = (json.dumps(line, ensure_ascii=False, allow_nan=False, default=str) for line in lines)
    (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False, default=str)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return folder


def fates(rows: Sequence[Prompt], found: Iterable[tuple[Prompt, str | None]]) -> dict[tuple[Fate, str], int]:
    """The ledger of prompts, from why each answer to them has no figure: kept where all have one, else the first reason."""
    reasons: dict[str, str] = {}
    for row, reason in found:
        if reason is not None:
            reasons.setdefault(row.row_id, reason)
    return dict(Counter(("unscored", reasons[r.row_id]) if r.row_id in reasons else ("kept", "") for r in rows))
