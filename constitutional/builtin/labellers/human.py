"""Votes of people, from a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from constitutional.api import (
    MAIN,
    DataError,
    Fate,
    Flow,
    Inputs,
    Outputs,
    Pair,
    Port,
    SpecPath,
    StageParams,
    Vote,
    WholeContext,
    WholeStage,
    derived_row_id,
    nearest,
)
from constitutional.builtin.sources.files import CsvSource, FileSource, JsonlSource
from constitutional.builtin.sources.shared import FileParams

PATH = "labeller/human"
SKIPPED, NO_VOTE = "skipped", "nobody voted"
VERDICTS: Mapping[str, float | None] = {"first": 1.0, "second": 0.0, "tie": 0.5, "skip": None}
COLUMNS = ("pair", "verdict", "annotator", "order", "principle", "comment")
NEEDED = COLUMNS[:3]


class Line(NamedTuple):
    """One person's word on one pair, and where it stands in the file."""

    number: int
    pair: str
    verdict: str
    annotator: str
    order: Literal["ab", "ba"]
    principle: str
    comment: str


class Human(WholeStage):
    """Votes that people gave, as they gave them: each annotator is a judge.

    The file has a line for each vote: `pair` (the pair's id), `verdict` (`first` or `second`: the pair's own first or
    second answer, wherever it was shown; `tie`; `skip`) and `annotator`; `order` (`ba` where the second answer was shown
    first), `principle` and `comment` may stand there.  A pair that nobody voted on abstains.
    """

    kind, name, version = "labeller", "human", 1
    takes: ClassVar = {"pairs": Port(Pair, many=True, about="the pairs that were voted on")}

    class Params(StageParams):
        """Parameters of `human`."""

        file: SpecPath
        """The votes: CSV with a header, or JSON lines where its name ends in `.jsonl`."""
        id: str = "row_id"
        """What the file calls a pair by: its `row_id`, or one of the user's own columns of the pairs."""
        columns: dict[str, str] = Field(default_factory=dict)
        """What the file calls our columns: `{pair: item, verdict: choice, annotator: who}`."""
        verdicts: dict[str, Literal["first", "second", "tie", "skip"]] = Field(default_factory=dict)
        """What the file's own words mean: `{A: first, B: second, same: tie}`."""
        principle: str = "human"
        """What the votes were given by, where the file has no column `principle`."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Vote}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        for ours in params.columns:
            if ours not in COLUMNS:
                yield f"`columns` has `{ours}`, which is none of {', '.join(COLUMNS)}"

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `DataError` where a line names an unknown pair, says what is no verdict, or somebody votes twice."""
        pairs = self._pairs(inputs.rows("pairs"))
        votes = [self._vote(pairs[line.pair], line) for line in self._lines(pairs)]
        voted = {vote.pair for vote in votes}
        fates: Counter[tuple[Fate, str]] = Counter()
        for pair in pairs.values():
            fates[("kept", "") if pair.row_id in voted else ("abstained", NO_VOTE)] += 1
        return Outputs(rows={MAIN: votes}, fates=dict(fates))

    def _pairs(self, rows: Iterable[Pair]) -> dict[str, Pair]:
        """Pairs by what the file calls them."""
        found: dict[str, Pair] = {}
        for pair in rows:
            name = pair.row_id if self.params.id == "row_id" else pair.meta.get(self.params.id)
            if name is None:
                raise DataError(f"pair {pair.row_id} has no column `{self.params.id}`", help="mend `id` of `human`")
            if str(name) in found:
                raise DataError(
                    f"two pairs have `{self.params.id}` {name}", help="votes need pairs that can be told apart"
                )
            found[str(name)] = pair
        return found

    def _lines(self, pairs: Mapping[str, Pair]) -> Iterator[Line]:
        seen: dict[tuple[str, ...], int] = {}
        for number, row in enumerate(_source(self.params).rows(), start=1):
            line = _line(self.params, number, row)
            if line.pair not in pairs:
                guess = nearest(line.pair, list(pairs))
                raise DataError(f"{_place(self.params.file, number)}: there is no pair `{line.pair}`",
                                help=f"did you mean `{guess}`?" if guess else
                                f"`{self.params.id}` of a pair is meant; `id` says otherwise")  # fmt: skip
            key = (line.pair, line.annotator, line.principle, line.order)
            if key in seen:
                raise DataError(f"{_place(self.params.file, number)}: {line.annotator} votes on pair {line.pair} again, "
                                f"after row {seen[key]}", help="keep one of the two")  # fmt: skip
            seen[key] = number
            yield line

    def _vote(self, pair: Pair, line: Line) -> Vote:
        p = VERDICTS[line.verdict]
        shown = p if p is None or line.order == "ab" else 1.0 - p
        asked = {"annotator": line.annotator, "principle": line.principle, "order": line.order}
        made = pair.derive(
            Vote, PATH, pair=pair.row_id, principle=line.principle, order=line.order, judge=line.annotator, p_first=shown,
            abstained=SKIPPED if p is None else None, raw=line.comment,
        )  # fmt: skip
        return replace(made, row_id=derived_row_id(PATH, made.parents, 0, asked))


def _source(params: Any) -> FileSource:
    read: type[FileSource] = JsonlSource if ".jsonl" in params.file.suffixes else CsvSource
    return read(FileParams(path=params.file, columns=params.columns))


def _line(params: Any, number: int, row: Mapping[str, Any]) -> Line:
    said = {name: str(row[name]).strip() for name in COLUMNS if row.get(name) is not None}
    for name in NEEDED:
        if not said.get(name):
            raise DataError(f"{_place(params.file, number)}: `{name}` is missing or empty",
                            help=f"each vote has {', '.join(NEEDED)}; `columns` says what the file calls them")  # fmt: skip
    verdict = params.verdicts.get(said["verdict"], said["verdict"].lower())
    if verdict not in VERDICTS:
        raise DataError(f"{_place(params.file, number)}: `{said['verdict']}` is no verdict",
                        help=f"write {', '.join(VERDICTS)}, or say in `verdicts` what it means")  # fmt: skip
    order = said.get("order") or "ab"
    if order not in ("ab", "ba"):
        raise DataError(f"{_place(params.file, number)}: `order` is `{order}`", help="write ab or ba")
    return Line(number, said["pair"], verdict, said["annotator"], order,  # type: ignore[arg-type]
                said.get("principle") or params.principle, said.get("comment", ""))  # fmt: skip


def _place(file: Path, number: int) -> str:
    return f"{file.name}, row {number}"
