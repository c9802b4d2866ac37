"""Make groups of labels even."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import Fate, Preference, Score, StageParams
from constitutional.builtin.debiasers.belief import lead
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, any_of, kept
from constitutional.builtin.transforms.chance import ranked

LONGER, SHORTER, ALIKE = "chosen longer", "chosen shorter", "alike"


class Balance(Debiaser):
    """Drop rows of the larger groups until all are as large as the smallest, or as `at_most`.

    Which rows stay follows from a hash of each, so that the same rows stay wherever the others come from.  By
    `length`, there are as many preferences for the longer answer as for the shorter one, and pairs of equal length all
    stay; by `principles`, by `label` or by a `column` of the data's own, each value is a group, and so is having none.
    Figures: `groups`, the rows of each before and after.
    """

    name, version = "balance", 1
    takes: ClassVar = any_of(Preference, Score)
    on: ClassVar = (Preference, Score)
    ends: ClassVar = "dropped"

    class Params(StageParams):
        """Parameters of `balance`."""

        by: Literal["length", "principles", "label", "column"] = "length"
        """What makes the groups; `length` is for preferences, `label` for scores after `threshold`."""
        column: str | None = None
        """The column of the data's own that makes the groups, with `by: column`."""
        at_most: int | None = Field(default=None, ge=1)
        """The most rows of a group; left out, as many as the smallest group has."""
        salt: str = ""
        """Change it to keep others."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if (params.by == "column") != (params.column is not None):
            yield "`column` and `by: column` go together"

    @classmethod
    def check_inputs(cls, params: Any, flows: Any) -> Iterable[tuple[str, str]]:
        yield from super().check_inputs(params, flows)
        wanted = {"length": Preference, "label": Score}.get(params.by)
        if wanted is not None and any(flow is not wanted for flow in flows.get("rows", ()) if flow in cls.on):
            yield "rows", f"`balance` by {params.by} takes {wanted.__name__}"

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        groups = [self._group(row) for row in rows]
        counted = Counter(groups)
        free = {ALIKE} if self.params.by == "length" else set()
        sizes = [count for group, count in counted.items() if group not in free]
        if self.params.by == "length":  # nobody prefers the shorter answer: there is nothing to balance with
            sizes += [0] if len(sizes) == 1 else []
        most = self.params.at_most if self.params.at_most is not None else min(sizes, default=0)
        ended: dict[int, tuple[Fate, str]] = {}
        taken: Counter[str] = Counter()
        for _, place in sorted(ranked(rows, "debiaser/balance", given.seed, self.params.salt)):
            group = groups[place]
            taken[group] += 1
            if taken[group] > most and group not in free:
                ended[place] = "dropped", f"too many: {group}"
        left = Counter(group for place, group in enumerate(groups) if place not in ended)
        return kept(
            rows,
            ended,
            {"groups": {group: {"before": counted[group], "after": left[group]} for group in sorted(counted)}},
        )

    def _group(self, row: Any) -> str:
        if self.params.by == "length":
            longer = lead(row) or 0
            return LONGER if longer > 0 else SHORTER if longer < 0 else ALIKE
        if self.params.by == "principles":
            return ", ".join(row.principles) or "none"
        if self.params.by == "label":
            return "none" if getattr(row, "label", None) is None else str(row.label).lower()
        return str(row.meta.get(self.params.column, "none"))
