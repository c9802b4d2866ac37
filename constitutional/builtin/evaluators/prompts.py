"""What all evaluators ask of their prompts: each once, which belong together, and how each of them ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

from constitutional.api import Fate, Prompt, UserError


def each_once(rows: Iterable[Prompt], help: str = "drop repetitions with `dedupe`") -> None:
    """Raises `UserError` where a prompt comes twice: its answers would count as independent."""
    twice = [row_id for row_id, times in Counter(row.row_id for row in rows).items() if times > 1]
    if twice:
        raise UserError(f"{len(twice)} prompts come more than once, the first is row {twice[0]}", help=help)


def group_of(row: Prompt, column: str | None) -> Hashable:
    """What a prompt is independent of others by: itself, or the group of paraphrases that the column names."""
    return ("group", str(row.meta[column])) if column is not None and column in row.meta else ("row", row.row_id)


def fates(rows: Sequence[Prompt], found: Iterable[tuple[Prompt, str | None]]) -> dict[tuple[Fate, str], int]:
    """The ledger of prompts, from why each answer to them has no figure: kept where all have one, else the first reason."""
    reasons: dict[str, str] = {}
    for row, reason in found:
        if reason is not None:
            reasons.setdefault(row.row_id, reason)
    return dict(Counter(("unscored", reasons[r.row_id]) if r.row_id in reasons else ("kept", "") for r in rows))
