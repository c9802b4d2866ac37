"""Split a data set into named parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints

from constitutional.api import (
    Ahead,
    Fate,
    Flow,
    Forecast,
    Inputs,
    Outputs,
    Port,
    Record,
    StageParams,
    WholeContext,
    WholeStage,
    canonical,
    drawn,
    to_json,
)
from constitutional.builtin.transforms.chance import uniform
from constitutional.builtin.transforms.columns import own

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
LEFT_OUT = "in no part"


class Split(WholeStage):
    """Each row goes to one part, by a hash of what it is: appending rows moves none that were there before.

    Parts hold about their share of the rows, not exactly.  Where the shares add up to less than one, the rest is left
    out.
    """

    kind, name, version = "transform", "split", 1
    takes: ClassVar = {"rows": Port(Record, many=True, about="the rows to split")}

    class Params(StageParams):
        """Parameters of `split`."""

        parts: dict[Name, Annotated[float, Field(gt=0.0, le=1.0)]] = Field(min_length=1)
        """The share of each part, by its name: `{train: 0.9, test: 0.1}`."""
        by: Literal["row_id", "prompt"] = "row_id"
        """What decides: the row, or its prompt, so that all rows of one prompt go to the same part."""
        salt: str = ""
        """Change it to split anew; two splits with the same part names, one after the other, need different salts."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return dict.fromkeys(params.parts, Record)

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        total = sum(params.parts.values())
        if total > 1 + 1e-9:
            yield f"the shares of `parts` add up to {total:g}, which is more than 1"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("rows")
        return Forecast({part: replace(rows, count=drawn(rows.count, share)) for part, share in params.parts.items()})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        counted = Counter(self._part(row, ctx.seed) for row in inputs.rows("rows"))
        fates: dict[tuple[Fate, str], int] = {("kept", ""): counted.total() - counted[None]}
        if counted[None]:
            fates["dropped", LEFT_OUT] = counted[None]
        return Outputs(rows={name: self._rows(inputs, name, ctx.seed) for name in self.params.parts}, fates=fates)

    def _rows(self, inputs: Inputs, part: str, seed: int) -> Iterator[Record]:
        return (row for row in inputs.rows("rows") if self._part(row, seed) == part)

    def _part(self, row: Record, seed: int) -> str | None:
        """The part whose stretch of [0, 1] the row's chance falls into."""
        identity = row.row_id if self.params.by == "row_id" else _prompt(row)
        chance, end = uniform("transform/split", seed, sorted(self.params.parts), self.params.salt, identity), 0.0
        for name, fraction in self.params.parts.items():
            end += fraction
            if chance < end + 1e-12:
                return name
        return None


def _prompt(row: Record) -> str:
    return canonical(to_json(own(row, "prompt", "by: prompt"))).decode()
