"""Tiny exports, written as Polis writes them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from constitutional.collective.votes import ABSENT, Statement, Votes

META = ("xid", "group-id", "n-comments", "n-votes", "n-agree", "n-disagree")


def export(folder: Path, rows: Mapping[int, Sequence[int | None]], texts: Sequence[str],
           moderated: Sequence[int] | None = None, groups: Mapping[int, str] | None = None) -> Path:  # fmt: skip
    """Write `participants-votes.csv` and `comments.csv`; None is no vote."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "participants-votes.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["participant", *META, *range(len(texts))])
        for id, said in rows.items():
            cast = [vote for vote in said if vote is not None]
            meta = ["x", (groups or {}).get(id, ""), 0, len(cast), cast.count(1), cast.count(-1)]
            out.writerow([id, *meta, *("" if vote is None else vote for vote in said)])
    with (folder / "comments.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(
            ["timestamp", "datetime", "comment-id", "author-id", "agrees", "disagrees", "moderated", "comment-body"]
        )
        for id, text in enumerate(texts):
            out.writerow([0, "never", id, 0, 0, 0, (moderated or [1] * len(texts))[id], text])
    return folder


def two_camps(
    size: int = 30, shared: int = 4, divided: int = 8, seed: int = 3
) -> tuple[dict[int, list[int | None]], list[str]]:
    """Two camps of people who agree about `shared` statements and are opposed about `divided` ones; a third is absent.


    The first camp has the even ids, and ids are not in order: 1, 3, 5, ... come after all even ones.
    """
    rng = np.random.default_rng(seed)
    texts = [f"The AI should be {word}." for word in ("honest", "kind", "clear", "safe", "fair", "calm")[:shared]]
    texts += [f"The AI should take side number {n} in politics." for n in range(divided)]
    rows: dict[int, list[int | None]] = {}
    for id in [*range(0, 2 * size, 2), *range(1, 2 * size, 2)]:
        side = 1 if id % 2 == 0 else -1
        said: list[int | None] = [1] * shared + [side * (-1) ** n for n in range(divided)]
        rows[id] = [None if rng.random() < 0.33 else vote for vote in said]
    return rows, texts


def votes(matrix: Sequence[Sequence[int | None]]) -> Votes:
    """Votes without files."""
    array = np.array([[ABSENT if vote is None else vote for vote in row] for row in matrix], dtype=np.int8)
    statements = tuple(Statement(j, f"The AI should be number {j}.") for j in range(array.shape[1]))
    return Votes(tuple(range(array.shape[0])), statements, array)
