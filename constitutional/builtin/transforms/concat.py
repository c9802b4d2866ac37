"""Put data sets one after the other."""

from __future__ import annotations

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
    WholeContext,
    WholeStage,
)


class Concat(WholeStage):
    """All rows of all names, in their order."""

    kind, name, version = "transform", "concat", 1
    takes: ClassVar = {"rows": Port(Record, many=True, about="data sets of one type")}

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Record}

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        return Forecast({MAIN: ahead.rows("rows")})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        return Outputs(rows={MAIN: inputs.rows("rows")})
