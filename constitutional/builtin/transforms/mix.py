"""Mix data sets by weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ahead,
    Fate,
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
    up_to,
)
from constitutional.builtin.transforms.chance import ranked


class Mix(WholeStage):
    """Rows of several data sets in given proportions, in an order that mixes them.

    Which rows of a data set are taken, and where they stand, follows from a hash of each.
    """

    kind, name, version = "transform", "mix", 1
    takes: ClassVar = {"rows": Port(Record, many=True, about="the data sets, in the order of `weights`")}

    class Params(StageParams):
        """Parameters of `mix`."""

        weights: tuple[Annotated[float, Field(ge=0.0)], ...] = Field(min_length=1)
        """How much of each data set, in their order: `[2, 1]` takes two rows of the first for one of the second."""
        total: int | None = Field(default=None, ge=1)
        """How many rows in all; left out, as many as the proportions allow."""
        on_short: Literal["less", "repeat", "fail"] = "less"
        """Where a data set has too few rows for `total`: take fewer, repeat its rows, or stop."""
        salt: str = ""
        """Change it to take others."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> dict[str, Flow]:
        return {MAIN: Record}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if sum(params.weights) <= 0:
            yield "`weights` must not all be 0"

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows("rows")
        count = rows.count.or_less() if params.total is None else up_to(params.total)
        return Forecast({MAIN: replace(rows, count=count)})

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        """Raises `UserError` where weights and data sets do not match, or one is too small with `on_short: fail`."""
        sizes = inputs.parts("rows")
        wanted = self._wanted(sizes)
        ranks = list(ranked(inputs.rows("rows"), "transform/mix", ctx.seed, self.params.salt))
        starts = [0, *accumulate(sizes)]
        order: list[tuple[int, float, int]] = []
        for start, size, want in zip(starts, sizes, wanted, strict=False):
            order += _chosen(sorted(ranks[start : start + size]), want)
        kept = len({place for _, _, place in order})
        fates: dict[tuple[Fate, str], int] = {("kept", ""): kept}
        if kept < len(ranks):
            fates["dropped", "not drawn"] = len(ranks) - kept
        return Outputs(rows={MAIN: _in_order(inputs, order)}, fates=fates)

    def _wanted(self, sizes: Sequence[int]) -> list[int]:
        weights = self.params.weights
        if len(weights) != len(sizes):
            raise UserError(f"`weights` has {len(weights)} numbers for {len(sizes)} data sets",
                            help="give one weight for each name in `rows`, in the same order")  # fmt: skip
        if self.params.total is None:
            whole = min((size / weight for size, weight in zip(sizes, weights, strict=True) if weight > 0), default=0.0)
            return [min(size, math.floor(whole * weight + 1e-9)) for size, weight in zip(sizes, weights, strict=True)]
        wanted = apportioned(weights, self.params.total)
        return [self._available(*each) for each in zip(range(len(sizes)), sizes, wanted, strict=True)]

    def _available(self, index: int, size: int, want: int) -> int:
        if want <= size or (self.params.on_short == "repeat" and size):
            return want
        if self.params.on_short == "less":
            return size
        raise UserError(f"data set {index + 1} in `rows` has {size} rows, but the mix needs {want} of it",
                        help="lower `total`, change `weights`, or set `on_short` to `less` or `repeat`")  # fmt: skip


def apportioned(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers in the proportion of `weights` that add up to `total`, by largest remainder."""
    exact = [total * weight / sum(weights) for weight in weights]
    whole = [math.floor(share) for share in exact]
    by_remainder = sorted(range(len(weights)), key=lambda i: (whole[i] - exact[i], i))
    for index in by_remainder[: total - sum(whole)]:
        whole[index] += 1
    return whole


def _chosen(ranks: Sequence[tuple[float, int]], want: int) -> list[tuple[int, float, int]]:
    """The `want` rows of lowest rank as (pass, rank, place); a second pass begins where all are taken."""
    return [(index // len(ranks), *ranks[index % len(ranks)]) for index in range(want)] if ranks else []


def _in_order(inputs: Inputs, order: Sequence[tuple[int, float, int]]) -> Iterator[Record]:
    """The chosen rows, mixed: by pass, then by rank."""
    places = {place for _, _, place in order}
    rows = {place: row for place, row in enumerate(inputs.rows("rows")) if place in places}
    for _, _, place in sorted(order):
        yield rows[place]
