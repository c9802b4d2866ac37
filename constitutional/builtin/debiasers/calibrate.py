"""Make probabilities mean what they say, by a sample that people have judged too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import DataError, Flow, Json, Preference, Score, StageParams, Vote
from constitutional.builtin.debiasers.belief import probability, with_probability
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, any_of, passed

ALL = "all"


class Calibrate(Debiaser):
    """Fit a map from probabilities to probabilities on the audited sample, and send every row through it.

    `temperature` divides log-odds by one number, which keeps every verdict (Guo et al. 2017, arXiv 1706.04599);
    `isotonic` is any map that never falls (Zadrozny and Elkan 2002), for which some hundred audited pairs are needed.
    Both keep order.  The figures say how well it works on rows that it was not fitted on: the audited pairs are dealt
    into folds, and each is mapped by what the others taught.

    Figures, of audited rows: `ece` and `brier`, each before and after; `improved`, by how much the Brier score fell;
    and `maps`, what was fitted, on how many pairs.
    """

    name, version = "calibrate", 2
    takes: ClassVar = any_of(Vote, Preference, Score)
    on: ClassVar = (Vote, Preference, Score)

    class Params(StageParams):
        """Parameters of `calibrate`."""

        method: Literal["temperature", "isotonic"] = "temperature"
        """One number, or any map that never falls."""
        by: Literal["all", "judge"] = "all"
        """One map for all votes, or one for each judge."""
        folds: int = Field(default=5, ge=2, le=100)
        """How many parts the audited sample is dealt into for the figures."""
        min_audited: int = Field(default=20, ge=2)
        """The run stops where fewer pairs, or responses, were judged by people (for each map)."""

    params: Params

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        own = [f"{name}.{when}" for name in ("ece", "brier") for when in ("before", "after")]
        return (*super().figures(params), *own, "improved")

    @classmethod
    def check_inputs(cls, params: Any, flows: Mapping[str, Sequence[Flow]]) -> Iterable[tuple[str, str]]:
        yield from super().check_inputs(params, flows)
        if not flows.get("audit"):
            yield "audit", "`calibrate` needs `audit`: verdicts of people on some of the same answers"
        for flow in flows.get("rows", ()):
            if params.by == "judge" and flow in (Preference, Score):
                yield "rows", f"`by: judge` takes Vote: {flow.__name__} does not say who judged"
            yield from _other_verdicts(flow, flows.get("audit", ()))

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        """Raises `DataError` where too little was audited."""
        from constitutional.builtin.debiasers import fitting

        p = self.params
        there = sorted((row for row in rows if probability(row) is not None), key=lambda row: row.row_id)
        names = sorted({self._group(row) for row in there})
        fit = fitting.Fit(p.method, mirrored=bool(there) and isinstance(there[0], Preference))
        samples = {}
        for name in names:
            own = [row for row in there if self._group(row) == name]
            samples[name] = fitting.sample(own, given.audit, p.folds, given.seed)
            _enough(name, len({one.subject for one in samples[name]}), p.min_audited)
        maps = {name: fit(sample) for name, sample in samples.items()}
        made = [row if (said := probability(row)) is None else with_probability(row, maps[self._group(row)](said))
                for row in rows]  # fmt: skip
        held_out = [pair for sample in samples.values() for pair in fitting.held_out(sample, fit)]
        fitted: dict[str, Json] = {
            name: fitting.said(maps[name], samples[name], fit, given.seed, name) for name in names
        }
        return passed(made, {**fitting.figures(held_out, given.seed), "maps": fitted})

    def _group(self, row: Any) -> str:
        return row.judge if self.params.by == "judge" and isinstance(row, Vote) else ALL


def _enough(name: str, n: int, least: int) -> None:
    if n < least:
        whose = "" if name == ALL else f" of judge {name}"
        raise DataError(f"`calibrate` needs {least} pairs or responses{whose} that people judged too, and found {n}",
                        help="they are found by the texts of prompt and answers, which must be the same; audit more")  # fmt: skip


def _other_verdicts(flow: Flow, audits: Sequence[Flow]) -> Iterable[tuple[str, str]]:
    wanted = Score if flow is Score else Preference
    if flow in (Vote, Preference, Score) and audits and wanted not in audits:
        yield "audit", f"for {flow.__name__}, `audit` must be made of {wanted.__name__}"
