"""LLMBar (Zeng et al. 2024, arXiv 2310.07641): accuracy and positional agreement of judges, cell by cell."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from constitutional.api import DataError, Vote
from constitutional.builtin.debiasers.ballots import Ballot
from constitutional.builtin.math.agreement import same_position
from constitutional.builtin.math.figures import generator, share

from .lines import SEED, Line, Study, plain
from .reading import rows
from .votes import BOTH_ORDERS, CONSISTENT, ballot, believed, vote

STUDY = "LLMBar"
COLUMNS = ("subset", "evaluator", "strategy", "i", "label", "winner_ab", "winner_ba")
PREFERS = {"1": 1.0, "2": 0.0, "None": None, "": None}
#: Judges asked plainly, on the part that comes from MT-Bench and on the benchmark itself.
PLAIN = "Vanilla_NoRules"
PARTS = {"MT-Bench part": re.compile(r"Processed/MT-Bench$"), "LLMBar itself": re.compile(r"LLMBar/")}
#: How many pairs each part has as published; parts of another size are another study.
SIZES = {"MT-Bench part": 200, "LLMBar itself": 419}
#: Pairs without one verdict in both orders; a pair that lacks a verdict is one of them.
NOT_CONSISTENT = {
    ("MT-Bench part", "GPT-4"): 0.13,
    ("MT-Bench part", "PaLM2"): 0.30,
    ("MT-Bench part", "ChatGPT"): 0.425,
}
#: Accuracy over all pairs, and over consistent pairs alone.
ACCURACY = {
    ("MT-Bench part", "ChatGPT"): (0.712, 0.870),
    ("LLMBar itself", "ChatGPT"): (0.400, 0.336),
    ("MT-Bench part", "GPT-4"): (0.810, 0.856),
}

#: What is compared in each cell, and its words.
NAMES = {"correct_False": "right, own order", "correct_True": "right, swapped", "correct_both": "right in both orders",
         "equal": "same verdict in both orders"}  # fmt: skip


class Cell(NamedTuple):
    """One judge, asked in one way, on one part of the data."""

    subset: str
    evaluator: str
    strategy: str


class Case(NamedTuple):
    """A pair with its votes in both orders, and whether its first answer is the better one."""

    ballot: Ballot
    first_is_better: bool

    def right(self, one: Vote) -> bool:
        """Whether a vote prefers the better answer; an abstention does not."""
        if one.p_first is None:
            return False
        prefers_first = one.p_first if one.order == "ab" else 1.0 - one.p_first
        return (prefers_first > 0.5) == self.first_is_better


def study(judgments: Path, published: Path) -> Study:
    cells, theirs = read(judgments), _published(published)
    compared = [(cell, counts(cells[cell]), theirs[cell]) for cell in cells if cell in theirs]
    if not compared:
        raise DataError(f"{published} has statistics of none of the cells in {judgments}")
    n = sum(len(cells[cell]) for cell, *_ in compared)
    told = _warnings(cells, theirs)
    lines = [_equal(name, compared, n) for name in NAMES]
    for part, pattern in PARTS.items():
        for judge in sorted({cell.evaluator for cell in cells}):
            chosen = [case for cell, cases in cells.items() for case in cases
                      if pattern.search(cell.subset) and cell.evaluator == judge and cell.strategy == PLAIN]  # fmt: skip
            if chosen:
                of_judge = _of_judge(part, judge, chosen)
                lines += of_judge
                told += _misled(part, judge, *of_judge[1:])
    differing = [{**cell._asdict(), "ours": ours, "published": given} for cell, ours, given in compared
                 if any(ours[name] != given[name] for name in given)]  # fmt: skip
    details = {"cells": len(compared), "differing": differing}
    return Study(STUDY, lines, told, details)


def read(path: Path) -> dict[Cell, list[Case]]:
    found: dict[Cell, list[Case]] = defaultdict(list)
    for number, row in enumerate(rows(path, COLUMNS), start=1):
        said = [str(row[name]) for name in ("winner_ab", "winner_ba")]
        if not set(said) <= set(PREFERS) or str(row["label"]) not in ("1", "2"):
            raise DataError(f"{path}: row {number}: a label is 1 or 2, and a winner 1, 2 or nothing")
        cell = Cell(str(row["subset"]), str(row["evaluator"]), str(row["strategy"]))
        pair = "/".join((*cell, str(row["i"])))
        votes = [vote(pair, cell.evaluator, "1", "2", order, PREFERS[winner])  # type: ignore[arg-type]
                 for order, winner in zip(("ab", "ba"), said, strict=True)]  # fmt: skip
        found[cell].append(Case(ballot(pair, votes), str(row["label"]) == "1"))
    return found


def _published(path: Path) -> dict[Cell, dict[str, int]]:
    """The numerators of each cell: `"28 / 54 = 51.85%"` is 28."""
    found = {}
    for number, row in enumerate(rows(path, ("subset", "evaluator", "strategy", "statistics")), start=1):
        try:
            given = json.loads(row["statistics"])
            numbers = {name: int(given[name].split("/")[0]) for name in NAMES}
            numbers["n"] = int(given["equal"].split("/")[1].split("=")[0])
        except (ValueError, KeyError, AttributeError, IndexError) as error:
            raise DataError(f"{path}: row {number}: no counts among its statistics: {error}") from error
        found[Cell(row["subset"], row["evaluator"], row["strategy"])] = numbers
    return found


def counts(cases: Sequence[Case]) -> dict[str, int]:
    """How many are right in each order and in both, and how many give one verdict in both orders.

    As published, two missing verdicts are equal ones; `consistent` is the debiaser's count, to which they are nothing.
    """
    right = [[case.right(one) for one in case.ballot.votes] for case in cases]
    missing = sum(all(one.p_first is None for one in case.ballot.votes) for case in cases)
    consistent = sum(believed(case.ballot.votes, case.ballot.pair, CONSISTENT).p_first is not None for case in cases)
    return {
        "correct_False": sum(ab for ab, _ in right), "correct_True": sum(ba for _, ba in right),
        "correct_both": sum(ab and ba for ab, ba in right), "equal": consistent + missing, "consistent": consistent, "n": len(cases),
    }  # fmt: skip


def _equal(name: str, compared: Iterable[tuple[Cell, Mapping[str, int], Mapping[str, int]]], n: int) -> Line:
    same = [ours[name] == given[name] for _, ours, given in compared]
    figure = plain(sum(same) / len(same), len(same), "cells")
    return Line(STUDY, f"cells equal to the published: {NAMES[name]}", figure, 1.0, 0.0, note=f"{n:,} pairs")


def _of_judge(part: str, judge: str, cases: Sequence[Case]) -> list[Line]:
    names = f"{judge}, {part}"
    beliefs = [(case, believed(case.ballot.votes, case.ballot.pair, CONSISTENT)) for case in cases]
    kept = [(belief.p_first > 0.5) == case.first_is_better for case, belief in beliefs if belief.p_first is not None]
    orders = [
        both for case in cases for s in case.ballot.by_principle() if (both := s.both(BOTH_ORDERS.clamp)) is not None
    ]
    single = [case.right(one) for case in cases for one in case.ballot.votes]
    pairs = [case.ballot.pair for case in cases for _ in case.ballot.votes]
    flips = share(
        [same_position(*both) for both in orders],
        generator(SEED, part, judge, "same"),
        unscored={"no verdict": len(cases) - len(orders)},
    )
    known = len(cases) == SIZES[part]
    unsure = NOT_CONSISTENT.get((part, judge)) if known else None
    all_pairs, consistent = ACCURACY.get((part, judge), (None, None)) if known else (None, None)
    return [
        Line(STUDY, f"{names}: same position in both orders", flips),
        Line(STUDY, f"{names}: accuracy, all pairs", share(single, generator(SEED, part, judge, "all"), pairs), all_pairs, 0.001, recount=True),
        Line(STUDY, f"{names}: accuracy, consistent pairs", share(kept, generator(SEED, part, judge, "kept")), consistent, 0.001, recount=True),
        Line(STUDY, f"{names}: coverage of those", share([b.p_first is not None for _, b in beliefs], generator(SEED, part, judge, "coverage")),
             None if unsure is None else 1.0 - unsure, 0.001, recount=True),
    ]  # fmt: skip


def _misled(part: str, judge: str, every: Line, kept: Line, coverage: Line) -> list[str]:
    """Consistent verdicts can be consistently wrong."""
    before, after, share_kept = (line.ours["value"] for line in (every, kept, coverage))
    if not isinstance(before, float) or not isinstance(after, float) or after >= before:
        return []
    return [f"{judge}, {part}: keeping consistent pairs ({_percent(share_kept)}) takes accuracy from {_percent(before)}"
            f" to {_percent(after)}: it is wrong alike in both orders, which no swap mends"]  # fmt: skip


def _percent(value: Any) -> str:
    return f"{100 * value:.1f} %"


def _warnings(cells: Mapping[Cell, Any], theirs: Mapping[Cell, Any]) -> list[str]:
    only = len(set(cells) ^ set(theirs))
    none = sum(all(one.p_first is None for one in case.ballot.votes) for cases in cells.values() for case in cases)
    told = [f"{only} cells are in one of the two files only, and are not compared"] if only else []
    if none:
        told.append(f"{none} pairs have no verdict in either order: the published agreement counts them as agreeing")
    return told
