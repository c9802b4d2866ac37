"""Win rates against one baseline, raw and with the length of answers taken out.

Dubois et al. 2024 (arXiv 2404.04475), section 3: logit P(m beats the baseline on x) = theta_m + phi_m tanh(d / std d) +
psi_m gamma_x, where d is by how much m's answer is longer and gamma_x a difficulty of the instruction that all models
share.  The controlled rate is the mean over x of sigma(theta_m + psi_m gamma_x): d set to zero.

gamma_x is estimated from all *other* models, so that no model grades its own instructions.  Where the paper holds phi and
psi by a penalty and two length-gamed copies of the baseline, their spread between models is estimated here (empirical
Bayes, by moments) and each model's are pulled towards what the others have in common: a model of which
little is known is credited with the usual effect of length, and cannot buy itself one by odd lengths.

Arrays: `preference` and `longer` are [models, instructions]; NaN where a model has no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from constitutional.builtin.math.statistics import CONFIDENCE, Floats, Interval

#: Fewer models tell too little of how difficult an instruction is: of AlpacaEval's, any 5 left an error as large as no
#: control at all, 10 half of it, 38 a tenth.
FEWEST = 10
#: Raw and controlled rates further apart than this are to be looked at: see `suspicions`.
APART = 0.05
RESAMPLES = 200
#: Hardly any pull on theta: keeps a model that always wins finite.
_FLAT = 1e-3
_ROUNDS, _STEPS = 30, 6


class Controlled(NamedTuple):
    """A model's length-controlled win rate, its coefficients, and how many verdicts they rest on."""

    rate: Interval
    theta: float
    phi: float
    psi: float
    n: int


class _Pull(NamedTuple):
    """Normal prior of (theta, phi, psi): mean and precision, [3] each."""

    mean: Floats
    precision: Floats


#: For fits that are to show how models differ: enough of a pull to keep them finite.
_FREE = _Pull(np.array([0.0, 0.0, 1.0]), np.array([_FLAT, 1e-1, 1.0]))


class _Table(NamedTuple):
    """`won` in [0, 1], `seen` 0 or 1, `length` = tanh(d / std d), all [models, instructions]."""

    won: Floats
    seen: Floats
    length: Floats

    def only(self, rows: Sequence[int] | int) -> _Table:
        at = [rows] if isinstance(rows, int) else list(rows)
        return _Table(self.won[at], self.seen[at], self.length[at])


def raw(preference: Floats) -> Floats:
    """Mean preference of each model, [models], over the instructions it has a verdict on."""
    return np.nanmean(_checked(preference), axis=1)  # type: ignore[no-any-return]


def length_controlled(preference: Floats, longer: Floats, rng: np.random.Generator, resamples: int = RESAMPLES,
                      confidence: float = CONFIDENCE) -> list[Controlled]:  # fmt: skip
    """The controlled win rate of each model, in order, with a bootstrap over instructions.

    `preference` is the probability that the model's answer beats the baseline's; `longer` its length minus the
    baseline's, in any unit.

    Raises:
        ValueError: if there are fewer than ten models, shapes differ, a preference lies outside [0, 1], or a model has
            no verdict.
    """
    table = _table(_checked(preference), longer)
    if len(table.won) < FEWEST:
        raise ValueError(
            f"the difficulty of instructions needs verdicts on at least {FEWEST} models, not {len(table.won)}:"
            " length control without it is worse than the raw win rate"
        )
    weights, difficulty = _joint(table)
    return [_of_one(table, weights, difficulty, m, rng, resamples, confidence) for m in range(len(table.won))]


def length_only(preference: Floats, longer: Floats) -> Floats:
    """The rate with no difficulty of instructions, [models]: worse than the raw one; kept to show that it is."""
    table = _table(_checked(preference), longer)
    flat = _Pull(np.zeros(3), np.array([_FLAT, _FLAT, 1.0]))
    weights = _fit(table, np.zeros(table.won.shape[1]), flat, np.zeros((len(table.won), 3)), steps=4 * _STEPS)
    return _sigmoid(weights[:, 0])


def suspicions(rate: float, controlled: float, lengths: Sequence[float] = (), apart: float = APART) -> list[str]:
    """Why a win rate should not be believed unread; nothing where there is no such reason.

    Length control does not stop an answer that wins by other means: a constant text that speaks to the judge reached
    86.5 % controlled, above its raw 76.9 % (Zheng et al. 2024, arXiv 2410.07137).
    """
    found = []
    if len(lengths) > 1 and len(set(lengths)) == 1:
        found.append(f"all {len(lengths)} answers have the same length: is it one constant answer?")
    if abs(controlled - rate) > apart:
        found.append(f"length control moves the rate by {100 * (controlled - rate):+.1f} points")
    return found


def _of_one(table: _Table, weights: Floats, difficulty: Floats, m: int, rng: np.random.Generator, resamples: int,
            confidence: float) -> Controlled:  # fmt: skip
    """Model `m` by a difficulty and a pull that the other models alone speak for."""
    others = [i for i in range(len(weights)) if i != m]
    theirs = _difficulty(table.only(others), weights[others], difficulty)
    pull = _pull_of(table.only(others), weights[others], theirs)
    own = table.only(m)
    fitted = _fit(own, theirs, pull, weights[[m]], steps=3 * _STEPS)
    n = int(own.seen.sum())
    drawn = rng.multinomial(own.seen.shape[1], np.full(own.seen.shape[1], 1 / own.seen.shape[1]), size=resamples)
    copies = _Table(*(np.broadcast_to(part, drawn.shape) for part in own))._replace(seen=own.seen * drawn)
    again = _fit(copies, theirs, pull, np.repeat(fitted, resamples, axis=0), steps=_STEPS)
    rates = (drawn * _at_equal_length(again, theirs)).sum(axis=1) / drawn.sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = np.quantile(rates, [tail, 1 - tail]) if resamples else (np.nan, np.nan)
    value = float(_at_equal_length(fitted, theirs).mean())
    theta, phi, psi = (float(part) for part in fitted[0])
    return Controlled(Interval(value, float(low), float(high)), theta, phi, psi, n)


def _joint(table: _Table) -> tuple[Floats, Floats]:
    """Weights [models, 3] and difficulty [instructions] of all models together, by turns; gamma ~ N(0, 1)."""
    share = (table.won * table.seen).sum(axis=1) / table.seen.sum(axis=1)
    share = np.clip(share, 1e-3, 1 - 1e-3)
    weights = np.stack([np.log(share / (1 - share)), np.zeros_like(share), np.ones_like(share)], axis=1)
    difficulty = np.zeros(table.won.shape[1])
    for _ in range(_ROUNDS):
        difficulty = _difficulty(table, weights, difficulty)
        # Scale and origin of gamma are free: psi and theta take them up.
        difficulty = (difficulty - difficulty.mean()) / max(float(difficulty.std()), 1e-6)
        weights = _fit(table, difficulty, _FREE, weights)
    return weights, difficulty


def _fit(table: _Table, difficulty: Floats, pull: _Pull, start: Floats, steps: int = _STEPS) -> Floats:
    """Penalised logistic regression of every row at once, by Newton's method: [rows, 3]."""
    weights = start
    for _ in range(steps):
        p = _sigmoid(weights[:, :1] + weights[:, 1:2] * table.length + weights[:, 2:] * difficulty)
        residual = table.seen * (table.won - p)
        gradient = np.stack([residual.sum(1), (residual * table.length).sum(1), residual @ difficulty], axis=1)
        gradient = gradient - (weights - pull.mean) * pull.precision
        hessian = _information(table, difficulty, p) + np.diag(pull.precision)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        weights = weights + np.clip(step, -3.0, 3.0)
    return weights


def _information(table: _Table, difficulty: Floats, p: Floats) -> Floats:
    """Fisher information of (theta, phi, psi) in each row, [rows, 3, 3]."""
    v = table.seen * p * (1 - p)
    along = v * table.length
    found = np.empty((len(v), 3, 3))
    found[:, 0, 0], found[:, 1, 1], found[:, 2, 2] = v.sum(1), (along * table.length).sum(1), v @ difficulty**2
    found[:, 0, 1] = found[:, 1, 0] = along.sum(1)
    found[:, 0, 2] = found[:, 2, 0] = v @ difficulty
    found[:, 1, 2] = found[:, 2, 1] = along @ difficulty
    return found


def _difficulty(table: _Table, weights: Floats, start: Floats) -> Floats:
    """gamma [instructions] under a standard normal prior, by Newton's method."""
    gamma, psi = start, weights[:, 2:]
    for _ in range(_STEPS):
        p = _sigmoid(weights[:, :1] + weights[:, 1:2] * table.length + psi * gamma)
        gradient = (psi * table.seen * (table.won - p)).sum(0) - gamma
        gamma = gamma + np.clip(gradient / ((psi**2 * table.seen * p * (1 - p)).sum(0) + 1.0), -3.0, 3.0)
    return gamma


def _pull_of(table: _Table, weights: Floats, difficulty: Floats) -> _Pull:
    """What models fitted freely have in common: mean of phi and psi, and one over their variance between models.

    By moments, each model counting once: the variance of the estimates less their mean squared standard error, and
    never less than a tenth of it.  theta stays free.
    """
    p = _sigmoid(weights[:, :1] + weights[:, 1:2] * table.length + weights[:, 2:] * difficulty)
    unsure = np.linalg.inv(_information(table, difficulty, p) + np.diag(_FREE.precision))
    spread = weights.var(0, ddof=1)
    between = np.maximum(spread - unsure.diagonal(axis1=1, axis2=2).mean(0), spread / 10 + 1e-6)
    mean = weights.mean(0)
    return _Pull(np.array([0.0, mean[1], mean[2]]), np.array([_FLAT, 1 / between[1], 1 / between[2]]))


def _at_equal_length(weights: Floats, difficulty: Floats) -> Floats:
    return _sigmoid(weights[:, :1] + weights[:, 2:] * difficulty)


def _checked(preference: Floats) -> Floats:
    seen = preference[~np.isnan(preference)]
    if preference.ndim != 2 or np.isnan(preference).all(axis=1).any():
        raise ValueError("preferences are [models, instructions], and every model needs a verdict")
    if seen.min() < 0 or seen.max() > 1:
        raise ValueError("a preference is the probability that the model wins, from 0 to 1")
    return preference


def _table(preference: Floats, longer: Floats) -> _Table:
    if preference.shape != longer.shape:
        raise ValueError(f"preferences {preference.shape} and lengths {longer.shape} must have one shape")
    seen = ~np.isnan(preference) & ~np.isnan(longer)
    gap = np.where(seen, longer, np.nan)
    spread = np.nan_to_num(np.nanstd(gap, axis=1, keepdims=True, ddof=1), nan=0.0)
    length = np.tanh(np.where(seen, gap, 0.0) / np.where(spread > 0, spread, 1.0))
    return _Table(np.where(seen, preference, 0.5), seen.astype(np.float64), length)


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(x / 2))
