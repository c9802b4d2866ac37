"""What trainers by reinforcement learning share: prompts, the reward, and what is said of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from constitutional.api import Cosmetic, Inputs, PolicyModel, Port, Prompt, RewardModel, StepFailed, UserError
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards.build import build, mistakes
from constitutional.builtin.rewards.contract import Missing, Scorer
from constitutional.builtin.rewards.expression import Reward, default
from constitutional.builtin.trainers.parameters import TrainerParams

#: Label of the one reward model that stands at the port `reward`.
ONE = "reward"

TAKES: Mapping[str, Port] = {
    "model": Port(PolicyModel, about="the policy to start from"),
    "prompts": Port(Prompt, many=True, about="what the policy answers while it learns"),
    "reward": Port(RewardModel, optional=True, about="the one reward model; `reward` in the expression"),
    "rewards": Port(RewardModel, labelled=True, optional=True, about="reward models by the labels of the expression"),
}  # fmt: skip


class RlParams(TrainerParams):
    """Parameters of every trainer by reinforcement learning."""

    reward: Reward | None = None
    """The reward: a label, or an expression of `weighted`, `ensemble`, `normalise`, `rules` and `process`; where left
    out, the one reward model, or the mean of several."""

    reward_batch: Annotated[int, Cosmetic()] = Field(default=16, ge=1)
    """Dialogues that a reward model scores at once."""

    reward_max_length: int = Field(default=1024, ge=8)
    """Tokens, of the reward model's own tokenizer, that a dialogue may have; longer ones have no score."""

    max_missing: float = Field(default=0.05, ge=0, le=1)
    """The largest share of a batch whose scores may be missing; those completions teach nothing, more stop the run."""

    max_new_tokens: int = Field(default=128, ge=1)
    """The most tokens of a completion."""

    temperature: float = Field(default=1.0, gt=0)
    """Temperature of sampling, and of the probabilities that are learned."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak learning rate of AdamW."""


def wired(params: RlParams, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """What is wrong between the reward as written and the reward models as connected."""
    known = [*([ONE] if ONE in ports else []), *ports.get("rewards", ())]
    if ONE in ports.get("rewards", ()):
        yield f"under `rewards`, `{ONE}` is no label: it is the name of the model at the port `{ONE}`"
        return
    meant = default(dict.fromkeys(known)) if params.reward is None else params.reward
    if meant is None:
        yield "there is no reward: connect `reward: NAME`, or write `with: {reward: {rules: ...}}`"
    else:
        yield from mistakes(meant, known)


def scorer_of(inputs: Inputs, params: RlParams) -> Scorer:
    """The reward that a stage was given.

    Raises:
        UserError: as `build` does.
    """
    labels = [*([ONE] * len(inputs.artifacts(ONE))), *inputs.labels("rewards")]
    artifacts = [*inputs.artifacts(ONE), *inputs.artifacts("rewards")]
    folders = {label: Path(artifact.path) for label, artifact in zip(labels, artifacts, strict=True)}
    return build(params.reward, folders, batch=params.reward_batch, max_length=params.reward_max_length)


def usable_prompts(
    inputs: Inputs, encoder: DialogueEncoder, params: RlParams
) -> tuple[list[tuple[Prompt, list[int]]], dict[str, int]]:
    """Prompts with their tokens that leave room for a completion, and counts of the others by reason.

    Raises:
        StepFailed: if none is left.
    """
    dropped: Counter[str] = Counter()
    kept = []
    for row in inputs.rows("prompts"):
        try:
            ids = encoder.encode(row.prompt)
        except UserError:
            dropped["template"] += 1
            continue
        if len(ids) + params.max_new_tokens > params.max_length:
            dropped["too-long"] += 1
        else:
            kept.append((row, ids))
    if not kept:
        raise StepFailed("prompts", f"no prompt is left to learn from ({dict(dropped) or 'there were none'})")
    return kept, dropped


def reward_figure(scores: Sequence[float], missing: Missing, seed: int) -> Any:
    """The mean score of the last batch with its n and interval, and all completions that had none, by reason."""
    from constitutional.builtin.math import figures

    return figures.average(list(scores), figures.generator(seed, "reward"), unscored=missing.counts())
