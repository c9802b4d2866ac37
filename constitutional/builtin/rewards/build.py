"""From an expression and the folders of reward models to a scorer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from constitutional.api import UserError, nearest
from constitutional.builtin.rewards import combine
from constitutional.builtin.rewards.contract import Scorer
from constitutional.builtin.rewards.expression import (
    Ensemble,
    Expression,
    Hybrid,
    Judge,
    Normalise,
    Reward,
    default,
    labels,
)
from constitutional.builtin.rewards.judge import Court
from constitutional.builtin.rewards.model import ModelScorer
from constitutional.builtin.rewards.rules import RuleScorer
from constitutional.builtin.rewards.steps import ProcessScorer
from constitutional.builtin.rewards.weights import is_process_model

NO_REWARD, HOW = (
    "there is no reward",
    "connect `reward: NAME` or `judge: MODEL`, or write `with: {reward: {rules: ...}}`",
)


def build(
    expression: Reward | None, folders: Mapping[str, Path], *, batch: int = 16, max_length: int = 1024,
    court: Court | None = None,
) -> Scorer:  # fmt: skip
    """The scorer of an expression over the reward models in `folders`, by label; each model is loaded once.

    `court` is what judges in the expression need.

    Raises:
        UserError: if nothing is there to score with, a label is not known, a model is not used, or one cannot be loaded.
    """
    return Builder(folders, batch, max_length, court).sole(expression)


def given(reward: Reward | None) -> Reward:
    """The reward, if there is one.

    Raises:
        UserError: if there is none.
    """
    if reward is None:
        raise UserError(NO_REWARD, help=HOW)
    return reward


def mistakes(expression: Reward, known: list[str]) -> list[str]:
    """What is wrong between an expression and the labels of the connected reward models, a sentence each."""
    idle = [name for name in known if name not in labels(expression)]
    said = [f"reward model `{name}` is connected but the reward does not use it" for name in idle]
    return unknown(expression, known) + said


def unknown(expression: Reward, known: list[str], what: str = "the reward") -> list[str]:
    """A sentence for each label that an expression names and that is not connected."""
    said = []
    for name in sorted(labels(expression) - set(known)):
        guess = nearest(name, known)
        hint = f"; did you mean `{guess}`?" if guess else f" (connected: {', '.join(known) or 'none'})"
        said.append(f"{what} names `{name}`, which is not connected{hint}")
    return said


class Builder:
    """Scorers of expressions over the same reward models, by label; each model is loaded once.

    `court` is what judges in the expressions need.
    """

    def __init__(self, folders: Mapping[str, Path], batch: int, max_length: int, court: Court | None = None) -> None:
        self.folders = folders
        self._batch = batch
        self._max_length = max_length
        self._court = court
        self._loaded: dict[tuple[str, str], Scorer] = {}

    def sole(self, expression: Reward | None) -> Scorer:
        """The scorer of an expression that is alone and so uses every model; of all models where none is written.

        Raises:
            UserError: if there is nothing to score with, a label is not known, a model is not used, or one cannot be loaded.
        """
        meant = given(default(self.folders) if expression is None else expression)
        for message in mistakes(meant, list(self.folders)):
            raise UserError(message)
        return self.scorer(meant)

    def scorer(self, expression: Reward) -> Scorer:
        """The scorer of an expression whose labels are all among the folders.

        Raises:
            UserError: if a model cannot be loaded, or is not what the expression takes it for.
        """
        if isinstance(expression, str):
            return self._model(expression)
        if expression.weighted is not None:
            return self._weighted(expression)
        if expression.ensemble is not None:
            return self._ensemble(expression.ensemble)
        if expression.normalise is not None:
            return self._normalised(expression.normalise)
        if expression.process is not None:
            return self._process(expression.process.of, expression.process.combine)
        if expression.hybrid is not None:
            return self._hybrid(expression.hybrid)
        if expression.judge is not None:
            return self._judge(expression.judge)
        assert expression.rules is not None
        return RuleScorer(expression.rules)

    def _model(self, label: str) -> Scorer:
        if is_process_model(self.folders[label]):
            return self._process(label, "min")
        if ("model", label) not in self._loaded:
            self._loaded["model", label] = ModelScorer(
                self.folders[label], batch=self._batch, max_length=self._max_length
            )
        return self._loaded["model", label]

    def _process(self, label: str, how: str) -> Scorer:
        folder = self.folders[label]
        if not is_process_model(folder):
            raise UserError(f"`{label}` is no process reward model", help="train one with `trainer: process-reward`")
        if (how, label) not in self._loaded:
            self._loaded[how, label] = ProcessScorer(
                folder, combine="product" if how == "product" else "min", batch=self._batch, max_length=self._max_length
            )
        return self._loaded[how, label]

    def _weighted(self, expression: Expression) -> Scorer:
        if isinstance(expression.weighted, dict):
            terms: list[tuple[Reward, float]] = list(expression.weighted.items())
        else:
            terms = [(term.of, term.weight) for term in expression.weighted or ()]
        return combine.weighted(self._named([of for of, _ in terms]), [weight for _, weight in terms])

    def _ensemble(self, said: Ensemble) -> Scorer:
        members = self._named(said.of)
        if said.combine == "mean":
            return combine.mean(members)
        return combine.worst(members) if said.combine == "min" else combine.pessimistic(members, said.penalty)

    def _normalised(self, said: Normalise) -> Scorer:
        name = said.of if isinstance(said.of, str) else "normalise"
        if said.mean is not None and said.std is not None:
            return combine.normalised(name, self.scorer(said.of), said.mean, said.std)
        centre, deviation = measured(self.folders[name], name)
        return combine.normalised(name, self.scorer(said.of), centre, deviation)

    def _hybrid(self, said: Hybrid) -> Scorer:
        return combine.Hybrid(
            self.scorer(said.helpful), self.scorer(said.harmless), said.alpha, said.column, said.alphas
        )

    def _judge(self, said: Judge) -> Scorer:
        if self._court is None:
            raise UserError("a judge needs a stage that can show it a prompt")
        return self._court.judge(said, self._batch)

    def _named(self, expressions: list[Reward] | tuple[Reward, ...]) -> dict[str, Scorer]:
        """Scorers by a name that no two share: models are called by their labels, other parts by their place."""
        found: dict[str, Scorer] = {}
        for index, one in enumerate(expressions, 1):
            name = _name(one)
            found[f"{name} ({index})" if name in found else name] = self.scorer(one)
        return found


def _name(expression: Reward) -> str:
    if isinstance(expression, str):
        return expression
    return next(name for name in type(expression).model_fields if getattr(expression, name) is not None)


def measured(folder: Path, label: str) -> tuple[float, float]:
    """Mean and deviation of a reward model's scores when it was trained.

    Raises:
        UserError: if its folder does not say, as with one that was trained elsewhere.
    """
    try:
        said = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        centre, deviation = float(said["score_mean"]), float(said["score_std"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"reward model `{label}` does not say how its scores are spread"
        raise UserError(message, help="write `mean` and `std`") from error
    if not deviation > 0:
        raise UserError(f"all scores of reward model `{label}` were alike", help="write `mean` and `std`")
    return centre, deviation
