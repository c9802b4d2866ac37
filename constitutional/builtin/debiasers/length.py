"""Take out of preferences what length alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import Fate, JsonObject, Preference, StageParams
from constitutional.builtin.debiasers.audit import subject
from constitutional.builtin.debiasers.ballots import TIE, TIED
from constitutional.builtin.debiasers.belief import with_probability
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, kept, many
from constitutional.builtin.math.probability import CLAMP


class Length(Debiaser):
    """Preferences as they would be if both answers were of one length.

    One number, phi, says how many log-odds a much longer answer earns; it is fitted to all preferences by logistic
    regression on tanh(difference in length / its deviation), and each pair's log-odds lose their term (Dubois et al.
    2024, arXiv 2404.04475).  A preference that stood on length alone turns round.  Longer answers can be better for
    good reasons, and what of that goes with length is taken too: where many labels turn, `warning` says so.  Hard
    labels (probability 1) hardly move; soft ones are needed.  The fit is an average over pairs, which is smaller than the
    effect on each where pairs differ much in content: `after.chosen_longer` shows what is left.

    Figures: `phi`, `turned` (share of labels that turned round), `moved` (mean change of a probability), and
    `chosen_longer` before and after.
    """

    name, version = "length", 1
    takes: ClassVar = many(Preference, "preferences with probabilities")
    on: ClassVar = (Preference,)
    makes: ClassVar = Preference
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `length`."""

        unit: Literal["characters", "words"] = "characters"
        """What length is counted in."""
        min_pairs: int = Field(default=30, ge=1)
        """With fewer preferences nothing is taken out: the effect could not be told from chance."""
        warn_at: float = Field(default=0.1, ge=0.0, le=1.0)
        """Warn where a larger share of labels turns round."""
        clamp: float = Field(default=CLAMP, gt=0.0, lt=0.5)
        """Probabilities are held this far from 0 and 1 before their log-odds are taken."""

    params: Params

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return (*super().figures(params), "phi", "turned", "moved", "after.chosen_longer")

    def apply(self, rows: Sequence[Preference], given: Given) -> Applied:
        from constitutional.builtin.math.figures import figure, generator, nothing
        from constitutional.builtin.math.length import length_effect_interval, scaled, without_length

        if len(rows) < self.params.min_pairs:
            why = f"{len(rows)} preferences, fewer than {self.params.min_pairs}: length was left in"
            return kept(rows, {}, {**dict.fromkeys(("phi", "turned", "moved"), nothing(why=why)), "warning": why})
        ordered = sorted(range(len(rows)), key=lambda place: rows[place].row_id)
        x = scaled([self._length(rows[place].chosen) - self._length(rows[place].rejected) for place in ordered])
        p = [rows[place].p_chosen for place in ordered]
        phi = length_effect_interval(p, x, generator(given.seed, "length/phi"))
        after = [
            without_length(said, float(lead), phi.value, self.params.clamp) for said, lead in zip(p, x, strict=True)
        ]
        after = [said if lead == 0 else without for said, without, lead in zip(p, after, x, strict=True)]
        ended: dict[int, tuple[Fate, str]] = {
            place: ("abstained", TIED) for place, said in zip(ordered, after, strict=True) if abs(said - 0.5) < TIE}  # fmt: skip
        made = list(rows)
        for place, said in zip(ordered, after, strict=True):
            made[place] = with_probability(rows[place], said)
        figures = self._figures([rows[place] for place in ordered], p, after, given.seed)
        return kept(made, ended, {"phi": figure(phi, len(rows), "bootstrap"), **figures})

    def _length(self, text: str) -> int:
        return len(text) if self.params.unit == "characters" else len(text.split())

    def _figures(self, rows: Sequence[Preference], before: Sequence[float], after: Sequence[float],
                 seed: int) -> JsonObject:  # fmt: skip
        from constitutional.builtin.math.figures import average, generator, share

        turned = [said < 0.5 for said in after]
        moved = [abs(said - was) for said, was in zip(after, before, strict=True)]
        clusters = [subject(row) for row in rows]
        found: JsonObject = {
            "turned": share(turned, generator(seed, "length/turned"), clusters),
            "moved": average(moved, generator(seed, "length/moved"), clusters, unit=True),
        }
        if sum(turned) <= self.params.warn_at * len(turned):
            return found
        said = (f"{sum(turned)} of {len(turned)} labels turn round without length: controlled and raw preferences "
                "differ much, and quality that goes with length may be gone too")  # fmt: skip
        return {**found, "warning": said}
