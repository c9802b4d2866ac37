"""Drop rows that say what an earlier row has said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from typing import Any, ClassVar

from constitutional.api import (
    MAIN,
    Ahead,
    Flow,
    Forecast,
    Inputs,
    Outputs,
    Port,
    Record,
    StageParams,
    UserError,
    WholeContext,
    WholeStage,
)
from constitutional.builtin.transforms.columns import MISSING, TEXTS, names, normalised, value


class Dedupe(WholeStage):
    """The first of all rows with the same text; letters' case and spacing make no difference."""

    kind, name, version = "transform", "dedupe", 1
    takes: ClassVar = {"rows": Port(Record, many=True, about="rows that may repeat themselves")}

    class Params(StageParams):
        """Parameters of `dedupe`."""

        by: tuple[str, ...] | None = None
        """Columns that must agree; left out, all that hold text (`prompt`, `completion`, `chosen` and so on)."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Record}

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("rows")
        return Forecast({MAIN: replace(rows, count=rows.count.or_less())})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `UserError` where a row has not one of the columns."""
        seen: set[bytes] = set()
        first: set[int] = set()
        total = 0
        for place, row in enumerate(inputs.rows("rows")):
            total += 1
            key = self._key(row)
            if key not in seen:
                seen.add(key)
                first.add(place)
        return Outputs(rows={MAIN: _only(inputs, first)},
                       fates={("kept", ""): len(first), ("dropped", "duplicate"): total - len(first)})  # fmt: skip

    def _key(self, row: Record) -> bytes:
        columns = self.params.by or [name for name in TEXTS if name in names(type(row))]
        values = [value(row, column) for column in columns]
        if all(found is MISSING for found in values):
            raise UserError(f"row {row.row_id} has no column {' or '.join(f'`{c}`' for c in columns)}",
                            help=f"its columns are {', '.join((*names(type(row)), *row.meta))}")  # fmt: skip
        texts = ["" if found is MISSING else normalised(found) for found in values]
        whole = "".join(f"{len(text)}:{text}" for text in texts)
        return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _only(inputs: Inputs, places: set[int]) -> Iterator[Record]:
    return (row for place, row in enumerate(inputs.rows("rows")) if place in places)
