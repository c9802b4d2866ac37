"""AlpacaEval 2 (Dubois et al. 2024, arXiv 2404.04475): win rates over a baseline, raw and with length taken out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from constitutional.api import DataError
from constitutional.builtin.math.figures import average, figure, generator
from constitutional.builtin.math.statistics import Floats
from constitutional.builtin.math.win_rates import FEWEST, Controlled, length_controlled, length_only, raw, suspicions

from .lines import SEED, Line, Study, plain
from .reading import number, rows

STUDY = "AlpacaEval 2"
COLUMNS = ("model", "instruction_id", "baseline_chars", "model_chars", "preference")
EXACT, CLOSE = 1e-11, 0.01


class Judged(NamedTuple):
    """Preferences (1 = the model wins) and lengths, [models, instructions]; NaN where there is none."""

    models: list[str]
    preference: Floats
    longer: Floats
    chars: Floats


def study(annotations: Path, published: Path) -> Study:
    judged = _read(annotations)
    theirs = {str(row["model"]): row for row in rows(published, ("model", "win_rate", "length_controlled_winrate"))}
    known = [i for i, model in enumerate(judged.models) if model in theirs]
    if not known:
        raise DataError(f"{published} has figures of none of the models in {annotations}")

    def given(column: str) -> Floats:
        said = [number(theirs[judged.models[i]], column, published) for i in known]
        return np.array([np.nan if value is None else value / 100 for value in said])

    rates, raws, controlled = raw(judged.preference)[known], given("win_rate"), given("length_controlled_winrate")
    lines = [_largest("raw win rate: largest error", rates, raws, EXACT)]
    if len(judged.models) < FEWEST:
        return Study(STUDY, lines, [f"length control needs at least {FEWEST} models"])
    found = length_controlled(judged.preference, judged.longer, generator(SEED, "length-controlled"))
    ours = np.array([found[i].rate.value for i in known])
    errors = {
        "length-controlled: mean error, difficulty from the other models": ours,
        "no control at all: mean error of the raw rate": rates,
        "length alone, no difficulty: mean error": length_only(judged.preference, judged.longer)[known],
    }
    lines += [
        _error(what, values, controlled, CLOSE if i == 0 else None) for i, (what, values) in enumerate(errors.items())
    ]
    correlation = plain(_spearman(ours, controlled), len(known), "Spearman")
    lines.append(_largest("length-controlled: largest error", ours, controlled))
    lines.append(Line(STUDY, "length-controlled: rank correlation", correlation, percent=False))
    lines += [_of_model(judged, found[i], i, controlled[at]) for at, i in enumerate(known)]
    return Study(STUDY, lines, _warnings(judged, found))


def _largest(what: str, ours: Floats, theirs: Floats, within: float | None = None) -> Line:
    away = abs(ours - theirs)
    largest = float(np.nanmax(away)) if not np.isnan(away).all() else float("nan")
    return Line(
        STUDY, what, plain(largest, int((~np.isnan(away)).sum()), "of models"), None if within is None else 0.0, within
    )


def _error(what: str, ours: Floats, theirs: Floats, within: float | None) -> Line:
    away = abs(ours - theirs)
    away = away[~np.isnan(away)]
    return Line(
        STUDY, what, average(away.tolist(), generator(SEED, what), unit=True), None if within is None else 0.0, within
    )


def _of_model(judged: Judged, found: Controlled, i: int, theirs: float) -> Line:
    unscored = {"no verdict": judged.preference.shape[1] - found.n}
    note = "; ".join(_suspicions(judged, found, i))
    return Line(STUDY, f"length-controlled: {judged.models[i]}", figure(found.rate, found.n, "bootstrap", unscored),
                None if np.isnan(theirs) else float(theirs), note=note)  # fmt: skip


def _suspicions(judged: Judged, found: Controlled, i: int) -> list[str]:
    seen = judged.chars[i][~np.isnan(judged.chars[i])]
    return suspicions(float(np.nanmean(judged.preference[i])), found.rate.value, seen.tolist())


def _warnings(judged: Judged, found: Sequence[Controlled]) -> list[str]:
    told = ((model, _suspicions(judged, found[i], i)) for i, model in enumerate(judged.models))
    return [f"{model}: {'; '.join(why)}" for model, why in told if why]


def _spearman(ours: Floats, theirs: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(ours, theirs, nan_policy="omit").statistic)


def _read(path: Path) -> Judged:
    """Preferences lie in [1, 2] there: 2 where the model wins."""
    found = rows(path, COLUMNS)
    models = sorted({str(row["model"]) for row in found})
    instructions = sorted({str(row["instruction_id"]) for row in found})
    at_model, at = {name: i for i, name in enumerate(models)}, {name: i for i, name in enumerate(instructions)}
    preference, longer, chars = (np.full((len(models), len(instructions)), np.nan) for _ in range(3))
    for row in found:
        said, mine, theirs = (number(row, name, path) for name in ("preference", "model_chars", "baseline_chars"))
        if said is None:
            continue
        if mine is None or theirs is None or not 1.0 <= said <= 2.0:
            raise DataError(
                f"{path}: {row['model']}, instruction {row['instruction_id']}: lengths and a preference from 1 to 2 are needed"
            )
        place = at_model[str(row["model"])], at[str(row["instruction_id"])]
        preference[place], longer[place], chars[place] = said - 1.0, mine - theirs, mine
    if empty := [model for model, row in zip(models, preference, strict=True) if np.isnan(row).all()]:
        raise DataError(f"{path}: no verdict on {', '.join(empty)}")
    return Judged(models, preference, longer, chars)
