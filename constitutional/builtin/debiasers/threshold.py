"""From scores to yes and no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import Fate, JsonObject, Preference, Score, StageParams, StepLabels
from constitutional.builtin.debiasers.ballots import MARGIN, TIE
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, any_of, kept

NO_SCORES = "steps without scores"


class Threshold(Debiaser):
    """Decide what counts as good: `label` of a score (KTO learns from it), `labels` of steps, certainty of preferences.

    A score of at least `at` is good.  Of steps, each is labelled by its own score, and one that is too close to call
    makes its whole response abstain.  A preference becomes hard: its chosen answer is better for certain.  Figures:
    `at` (what was used), `good` (share of responses, or of steps, that are).
    """

    name, version = "threshold", 1
    takes: ClassVar = any_of(Score, StepLabels, Preference)
    on: ClassVar = (Score, StepLabels, Preference)
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `threshold`."""

        at: float | Literal["median"] = 0.5
        """The least score that is good; `median` makes half of all responses so.  Preferences are cut at one half."""
        margin: float = Field(default=0.0, ge=0.0, lt=0.5)
        """Abstain where a score is closer to the threshold than this."""

    params: Params

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return (*super().figures(params), "good")

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        from constitutional.builtin.math.figures import generator, share

        at = self._at(rows)
        made: list[Any] = []
        ended: dict[int, tuple[Fate, str]] = {}
        for place, row in enumerate(rows):
            reason = self._reason(row, at)
            if reason is not None:
                ended[place] = "abstained", reason
            made.append(row if reason is not None else _cut(row, at))
        good = [(yes, row.row_id) for place, row in enumerate(made) if place not in ended for yes in _labels(row)]
        figures: JsonObject = {"at": at, "good": share([yes for yes, _ in good], generator(given.seed, "threshold/good"),
                                           [row_id for _, row_id in good])}  # fmt: skip
        return kept(made, ended, figures)

    def _at(self, rows: Sequence[Any]) -> float:
        if self.params.at != "median":
            return float(self.params.at)
        said = [score for row in rows for score in _scores(row)]
        return float(median(said)) if said else 0.5

    def _reason(self, row: Any, at: float) -> str | None:
        if isinstance(row, StepLabels) and len(row.scores) != len(row.labels):
            return NO_SCORES
        cut = 0.5 if isinstance(row, Preference) else at
        close = any(abs(score - cut) < self.params.margin - TIE for score in _scores(row))
        return MARGIN if close else None


def _scores(row: Any) -> tuple[float, ...]:
    if isinstance(row, StepLabels):
        return row.scores
    return (row.p_chosen,) if isinstance(row, Preference) else (row.score,)


def _cut(row: Any, at: float) -> Any:
    if isinstance(row, StepLabels):
        return replace(row, labels=tuple(score >= at for score in row.scores))
    return replace(row, p_chosen=1.0) if isinstance(row, Preference) else replace(row, label=row.score >= at)


def _labels(row: Any) -> tuple[bool, ...]:
    if isinstance(row, StepLabels):
        return row.labels
    return (bool(row.label),) if isinstance(row, Score) else ()
