"""Take some of the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import Field

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
    WholeContext,
    WholeStage,
    drawn,
)
from constitutional.builtin.transforms.chance import ranked


class SampleRows(WholeStage):
    """Some of the rows, by hash: exactly `n`, or about a `fraction`; they stay in their order.

    With `fraction`, appending rows changes nothing for those before; with `n`, a new row may take an old one's place.
    """

    kind, name, version = "transform", "sample", 1
    takes: ClassVar = {"rows": Port(Record, many=True, about="the rows to choose from")}

    class Params(StageParams):
        """Parameters of `sample`."""

        n: int | None = Field(default=None, ge=0)
        """How many rows to take; all where there are fewer."""
        fraction: float | None = Field(default=None, gt=0.0, le=1.0)
        """Which share of the rows to take, about."""
        salt: str = ""
        """Change it to take others."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Record}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if (params.n is None) == (params.fraction is None):
            yield "give either `n` or `fraction`"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("rows")
        count = rows.count.most(params.n) if params.n is not None else drawn(rows.count, params.fraction)
        return Forecast({MAIN: replace(rows, count=count)})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        chances = list(ranked(inputs.rows("rows"), "transform/sample", ctx.seed, self.params.salt))
        taken = self._taken(chances)
        rows = (row for place, row in enumerate(inputs.rows("rows")) if place in taken)
        left = len(chances) - len(taken)
        return Outputs(rows={MAIN: rows}, fates={("kept", ""): len(taken), ("dropped", "not sampled"): left})

    def _taken(self, chances: list[tuple[float, int]]) -> set[int]:
        if self.params.n is not None:
            return {place for _, place in sorted(chances)[: self.params.n]}
        fraction = self.params.fraction or 0.0
        return {place for chance, place in chances if chance < fraction}
