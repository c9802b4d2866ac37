"""What people said, read back and checked: every mistake at once, each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from constitutional.audit.labels import Verdict
from constitutional.audit.sample import Item, Key
from constitutional.errors import DataError
from constitutional.ids import derived_row_id
from constitutional.records import Preference, Vote, trl_row
from constitutional.table import read_lines, read_table
from constitutional.text import one_line

#: How an annotator may write each answer, in lower case.
WRITTEN: Final = {"a": "A", "b": "B", "tie": "tie", "t": "tie", "=": "tie", "skip": "skip", "s": "skip"}
SKIPPED: Final = "skipped by the annotator"
SHOWN: Final = 50
STRANGER: Final = " is not in the sample"


@dataclass(frozen=True, slots=True)
class Judged:
    """One person's answer to one item: `verdict` is None where the person could not say."""

    item: Item
    annotator: str
    said: str

    @property
    def verdict(self) -> Verdict | None:
        """Which of the pair's answers is better, with the blinding undone."""
        if self.said == "skip":
            return None
        if self.said == "tie":
            return "tie"
        return "first" if (self.said == "A") == self.item.a_first else "second"


@dataclass(frozen=True, slots=True)
class _Line:
    place: str
    cells: dict[str, str]


def read_verdicts(paths: Sequence[Path], key: Key, *, partial: bool = False) -> tuple[list[Judged], int]:
    """The verdicts of all files, and how many items somebody left without one.

    An annotator is named by a column `annotator`, else by the file: `sample.alice.csv` is alice's.

    Raises:
        DataError: with all mistakes: ids that are not in the sample, words that are no verdict, two verdicts of one person
            on one item and, unless `partial`, items without a verdict.
    """
    known = {item.id: item for item in key.items}
    wrong: list[str] = []
    found: dict[tuple[str, str], tuple[Judged, str]] = {}
    people: dict[str, Path] = {}
    for path in paths:
        empty = True
        for line in _lines(path, wrong):
            one = _judged(line, known, _named(path), wrong)
            empty = False
            if one is None:
                continue
            people.setdefault(one if isinstance(one, str) else one.annotator, path)
            if isinstance(one, Judged):
                first = found.setdefault((one.annotator, one.item.id), (one, line.place))
                if first[0] is not one:
                    wrong.append(f"{line.place}: {one.annotator} judged {one.item.id} on {first[1]} already")
        if empty:
            wrong.append(f"{path}: there are no verdicts")
    missing = 0
    for name, path in people.items():
        lacking = [id for id in known if (name, id) not in found]
        missing += len(lacking)
        if lacking and not partial:
            wrong.append(f"{path}: {name} left {len(lacking)} of {len(known)} without a verdict, such as {lacking[0]}")
    if wrong:
        shown = wrong[:SHOWN] + ([f"and {len(wrong) - SHOWN} more"] if len(wrong) > SHOWN else [])
        help = "a verdict is A, B, tie or skip; --partial takes files that are not finished"
        if not found and all(said.endswith(STRANGER) for said in wrong):
            help = "not one id is of this sample: is --key that of another sheet?"
        raise DataError("\n".join([f"{len(wrong)} mistake{'s' if len(wrong) > 1 else ''} in the verdicts", *shown]),
                        help=help)  # fmt: skip
    return [judged for judged, _ in found.values()], missing


def _named(path: Path) -> str:
    """`alice` for `sample.alice.csv`, `sample` for `sample.csv`."""
    return path.stem.rpartition(".")[2] or path.stem


def _judged(line: _Line, known: dict[str, Item], annotator: str, wrong: list[str]) -> Judged | str | None:
    """The verdict on a line; the annotator alone where it is left empty; None where it is wrong, which is noted."""
    id = line.cells.get("id", "").strip().removeprefix("'")
    name = one_line(line.cells.get("annotator", "").strip() or annotator, 60)
    said = line.cells.get("verdict", "").strip()
    if id not in known:
        wrong.append(f"{line.place}: {one_line(id, 40)!r}{STRANGER}")
        return None
    if not said:
        return name
    if said.lower() not in WRITTEN:
        wrong.append(f"{line.place}: {one_line(said, 40)!r} is no verdict")
        return name
    return Judged(known[id], name, WRITTEN[said.lower()])


def _lines(path: Path, wrong: list[str]) -> Iterator[_Line]:
    """The lines of a file; a line that is no JSON object is noted, and skipped."""
    if path.suffix != ".jsonl":
        for row in read_table(path, ["id", "verdict"]):
            yield _Line(row.place, dict(row.cells))
        return
    for line in read_lines(path):
        if line.text.strip():
            try:
                said: Any = json.loads(line.text)
            except (ValueError, RecursionError) as error:
                wrong.append(f"{line.place}: not JSON: {error}")
                continue
            if isinstance(said, dict):
                yield _Line(line.place, {str(name): value for name, value in said.items() if isinstance(value, str)})
            else:
                wrong.append(f"{line.place}: not an object")


# -- for other stages ------------------------------------------------------------------------------------------------


def as_votes(judged: Sequence[Judged]) -> str:
    """Verdicts as JSON lines of votes, for `source: jsonl`: the judge is `human:NAME`, and a tie has probability 1/2.

    What somebody skipped is a vote that abstains.  `verdict` (first, second, tie) and `annotator` ride along.
    """
    return "".join(json.dumps(_vote(one), ensure_ascii=False) + "\n" for one in judged)


def _vote(one: Judged) -> dict[str, Any]:
    label, verdict = one.item.label, one.verdict
    p_first = {"A": 1.0, "B": 0.0, "tie": 0.5}.get(one.said)
    vote = Vote(
        row_id=derived_row_id("audit/human", (label.pair, one.item.id), 0, {"annotator": one.annotator}),
        prompt=label.prompt, first=label.first, second=label.second, pair=label.pair, principle=label.principle,
        order="ab" if one.item.a_first else "ba", judge=f"human:{one.annotator}", p_first=p_first,
        abstained=SKIPPED if verdict is None else None, raw=one.said, weight=1.0,
    )  # fmt: skip
    return {**_told(vote), "verdict": verdict, "annotator": one.annotator}


def as_preferences(judged: Sequence[Judged]) -> str:
    """Verdicts as JSON lines of preferences, one a verdict: a tie has `p_chosen` 1/2, what was skipped is left out."""
    return "".join(json.dumps(_preference(one, one.verdict), ensure_ascii=False) + "\n"
                   for one in judged if one.verdict is not None)  # fmt: skip


def _preference(one: Judged, verdict: Verdict | None) -> dict[str, Any]:
    label = one.item.label
    chosen, rejected = (label.second, label.first) if verdict == "second" else (label.first, label.second)
    made = Preference(
        row_id=derived_row_id("audit/human", (label.pair, one.item.id), 1, {"annotator": one.annotator}),
        prompt=label.prompt, chosen=chosen, rejected=rejected, p_chosen=0.5 if verdict == "tie" else 1.0, votes=1,
        principles=label.principles,
    )  # fmt: skip
    return {**_told(made), "annotator": one.annotator}


def _told(record: Vote | Preference) -> dict[str, Any]:
    """The row without what a source makes for itself."""
    return {name: value for name, value in trl_row(record).items() if name not in ("row_id", "parents", "meta")}
