"""Pair up answers to one prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Fate,
    Flow,
    Forecast,
    Inputs,
    Outputs,
    Pair,
    Port,
    Response,
    Rows,
    StageParams,
    WholeContext,
    WholeStage,
    canonical,
    derived_row_id,
    to_json,
)
from constitutional.builtin.transforms.chance import uniform

PATH = "transform/pair"


class Candidate(NamedTuple):
    """One side of a pair."""

    text: str
    model: str
    row_id: str


class PairUp(WholeStage):
    """Pairs of answers to one prompt: each revised answer against its own first draft, or answers of several rows.

    A revision is not taken to be better: which answer stands first is decided by a hash, and a judge has to say which
    wins.
    """

    kind, name, version = "transform", "pair", 1
    takes: ClassVar = {"responses": Port(Response, many=True, about="answers to pair up")}

    class Params(StageParams):
        """Parameters of `pair`."""

        how: Literal["combinations", "revised"] = "combinations"
        """Pair different answers to one prompt, or each revised answer with what it was at first."""
        most: int | None = Field(default=None, ge=1)
        """The most pairs of one prompt, chosen by hash; all where left out.  For `combinations`."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Pair}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.how == "revised" and params.most is not None:
            yield "`most` is for `how: combinations`; a revised answer makes one pair"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        """Answers in pairs: `n` different ones to one prompt make `n (n - 1) / 2`."""
        rows = ahead.rows("responses")
        count = rows.count.or_less() if params.how == "revised" else rows.count.times(0, (rows.siblings - 1) / 2)
        if params.most is not None and params.how == "combinations":
            count = count.most(rows.count.high / 2 * params.most)
        return Forecast({MAIN: Rows(count, rows.prompt, rows.said.times(2))})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        rows = list(inputs.rows("responses"))
        fates: Counter[tuple[Fate, str]] = Counter()
        make = self._revised if self.params.how == "revised" else self._combined
        return Outputs(rows={MAIN: make(rows, ctx.seed, fates)}, fates=fates)

    def _revised(self, rows: Sequence[Response], seed: int, fates: Counter[tuple[Fate, str]]) -> list[Pair]:
        pairs = []
        for row in rows:
            if not row.rounds:
                fates["dropped", "never critiqued"] += 1
            elif _same(row.rounds[0].response, row.completion):
                fates["dropped", "unchanged"] += 1
            else:
                fates["kept", ""] += 1
                draft = Candidate(row.rounds[0].response, "", row.row_id)
                pairs.append(_pair(row, draft, Candidate(row.completion, row.model, row.row_id), seed))
        return pairs

    def _combined(self, rows: Sequence[Response], seed: int, fates: Counter[tuple[Fate, str]]) -> list[Pair]:
        pairs = []
        for group in _by_prompt(rows):
            chosen = list(self._chosen(group, seed))
            paired = {id(row) for two in chosen for row in two}
            pairs += [_pair(one, _side(one), _side(other), seed) for one, other in chosen]
            for row in group:
                fates[_fate(row, group, id(row) in paired)] += 1
        return pairs

    def _chosen(self, group: Sequence[Response], seed: int) -> Iterator[tuple[Response, Response]]:
        """Pairs of different answers; the `most` of lowest rank, in the order of the rows."""
        every = list(combinations(_distinct(group), 2))
        if self.params.most is None or len(every) <= self.params.most:
            yield from every
            return
        ranks = [uniform(PATH, seed, "most", one.row_id, other.row_id) for one, other in every]
        lowest = sorted(range(len(every)), key=lambda i: (ranks[i], i))[: self.params.most]
        yield from (every[i] for i in sorted(lowest))


def _by_prompt(rows: Iterable[Response]) -> Iterable[list[Response]]:
    groups: dict[bytes, list[Response]] = {}
    for row in rows:
        groups.setdefault(canonical(to_json(row.prompt)), []).append(row)
    return groups.values()


def _distinct(group: Sequence[Response]) -> list[Response]:
    """The first row of each different text."""
    return list({" ".join(row.completion.split()): row for row in reversed(group)}.values())[::-1]


def _fate(row: Response, group: Sequence[Response], paired: bool) -> tuple[Fate, str]:
    if paired:
        return "kept", ""
    if len(group) == 1:
        return "dropped", "no other answer"
    others = [other for other in group if other is not row]
    return "dropped", "identical" if any(_same(row.completion, other.completion) for other in others) else "not drawn"


def _pair(row: Response, one: Candidate, other: Candidate, seed: int) -> Pair:
    """A pair whose first answer is decided by a hash of both."""
    swap = uniform(PATH, seed, one.row_id, other.row_id, sorted((one.text, other.text))) < 0.5
    ordered = sorted((one, other), key=lambda side: side.text, reverse=swap)
    first, second = ordered
    parents = tuple(dict.fromkeys((one.row_id, other.row_id)))
    row_id = derived_row_id(PATH, parents, 0, {"first": first.text, "second": second.text})
    return Pair(row_id=row_id, parents=parents, meta=row.meta, prompt=row.prompt, first=first.text, second=second.text,
                models=(first.model, second.model))  # fmt: skip


def _side(row: Response) -> Candidate:
    return Candidate(row.completion, row.model, row.row_id)


def _same(one: str, other: str) -> bool:
    return one.split() == other.split()
