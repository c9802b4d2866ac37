"""How a stage is given a reward: its ports, its parameters, and the scorer that both mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from constitutional.api import (
    Constitution,
    ConstitutionalError,
    Cosmetic,
    Inputs,
    PolicyModel,
    Port,
    Principle,
    RewardModel,
    Stage,
    StageParams,
    TemplateName,
)
from constitutional.builtin.rewards.build import HOW, NO_REWARD, Builder, mistakes
from constitutional.builtin.rewards.contract import Scorer
from constitutional.builtin.rewards.expression import Reward, default, judges, labels
from constitutional.builtin.rewards.judge import Court, Render, principles_of

#: Label of the one reward model that stands at the port `reward`.
ONE = "reward"
#: The port of the model that rates.
JUDGE = "judge"
ASK_IT = "a judge is connected, and to learn from what it says write `with: {reward: {judge: {principles: 2}}}`"

TAKES: Mapping[str, Port] = {
    ONE: Port(RewardModel, optional=True, about="the one reward model; `reward` in the expression"),
    "rewards": Port(RewardModel, labelled=True, optional=True, about="reward models by the labels of the expression"),
    JUDGE: Port(PolicyModel, optional=True, about="the model that `judge` in the expression asks"),
}  # fmt: skip


class ScoringParams(StageParams):
    """Parameters of every stage that scores answers by a reward."""

    reward: Reward | None = None
    """The reward: a label, or an expression of `weighted`, `ensemble`, `normalise`, `rules`, `process`, `hybrid` and
    `judge`; where left out, the one reward model, or the mean of several."""

    reward_batch: Annotated[int, Cosmetic()] = Field(default=16, ge=1)
    """Dialogues that a reward model scores at once."""

    reward_max_length: int = Field(default=1024, ge=8)
    """Tokens, of the reward model's own tokenizer, that a dialogue may have; longer ones have no score."""

    max_missing: float = Field(default=0.05, ge=0, le=1)
    """The largest share of a batch whose scores may be missing; those answers count for nothing, more stop the run."""

    judge_template: TemplateName = "score/rlaif"
    """The prompt of `judge`; it is given `transcript`, `response`, `principle`, `low` and `high`."""


class Rewarded(Stage):
    """What a stage that is given a reward sees and refuses; stands before its shape: `class X(Rewarded, WholeStage)`."""

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """The principles that a judge in the reward may rate by.  Raises `UserError` where there are none."""
        return seen(params, constitution)

    @classmethod
    def wired(cls, params: Any, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        return wired(params, ports)


def meant(params: ScoringParams, known: Sequence[str], others: Reward | None = None) -> Reward | None:
    """The reward: as it is written, or of all models that no other reward of the stage names."""
    if params.reward is not None:
        return params.reward
    return default(dict.fromkeys(name for name in known if name not in _named(others)))


def _named(expression: Reward | None) -> set[str]:
    return set() if expression is None else labels(expression)


def connected(ports: Mapping[str, Sequence[str]]) -> list[str]:
    """The labels of the reward models at the ports that a spec connects."""
    return [*([ONE] if ONE in ports else []), *ports.get("rewards", ())]


def wired(params: ScoringParams, ports: Mapping[str, Sequence[str]], others: Reward | None = None) -> Iterable[str]:
    """What is wrong between the reward as written and the models as connected; `others` may name models too."""
    known = connected(ports)
    if ONE in ports.get("rewards", ()):
        yield f"under `rewards`, `{ONE}` is no label: it is the name of the model at the port `{ONE}`"
        return
    reward = meant(params, known, others)
    if reward is None:
        yield f"{NO_REWARD}: " + (ASK_IT if JUDGE in ports else HOW)
        return
    yield from mistakes(reward, [name for name in known if name in labels(reward) or name not in _named(others)])
    local = any(one.server is None for one in (*judges(reward), *judges(others)))
    if local and JUDGE not in ports:
        yield "the reward has a judge, but none is connected: write `judge: MODEL`, or `server` in the reward"
    if not local and JUDGE in ports:
        yield "a judge is connected, but the reward asks none: write `judge` in the reward, `{judge: {principles: 2}}`"


def seen(params: ScoringParams, constitution: Constitution) -> Sequence[Principle]:
    """The principles that judges in the reward may rate by.

    Raises:
        UserError: if the constitution has nothing of what is asked for.
    """
    found = [p for one in judges(params.reward) if one.rule is None for p in principles_of(one, constitution)]
    return list({principle.id: principle for principle in found}.values())


def builder_of(
    inputs: Inputs, params: ScoringParams, constitution: Constitution, render: Render, others: Reward | None = None
) -> Builder:
    """What makes scorers of the models that a stage was given; `render` shows a judge its question."""
    named = [*([ONE] * len(inputs.artifacts(ONE))), *inputs.labels("rewards")]
    artifacts = [*inputs.artifacts(ONE), *inputs.artifacts("rewards")]
    folders = {label: Path(artifact.path) for label, artifact in zip(named, artifacts, strict=True)}
    asked = [*judges(params.reward), *judges(others)]
    model = _judge(inputs) if any(one.server is None for one in asked) else None
    court = Court(model, constitution, params.judge_template, render) if asked else None
    return Builder(folders, params.reward_batch, params.reward_max_length, court)


def scorer_of(inputs: Inputs, params: ScoringParams, constitution: Constitution, render: Render) -> Scorer:
    """The reward that a stage was given; `render` shows a judge its question.

    Raises:
        UserError: if nothing is there to score with, a label is not known, a model is not used, or one cannot be loaded.
    """
    return builder_of(inputs, params, constitution, render).sole(params.reward)


def _judge(inputs: Inputs) -> str | None:
    try:
        return inputs.model(JUDGE)
    except ConstitutionalError:
        return None
