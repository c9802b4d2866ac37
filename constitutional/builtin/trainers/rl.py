"""What trainers by reinforcement learning share: prompts, the reward, and what is said of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from constitutional.api import Inputs, PolicyModel, Port, Prompt, StepFailed, WholeContext
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.rewards import wiring
from constitutional.builtin.rewards.build import Builder, given, unknown
from constitutional.builtin.rewards.contract import Missing, Scorer
from constitutional.builtin.rewards.expression import Reward, ensembles
from constitutional.builtin.rewards.wiring import ScoringParams
from constitutional.builtin.trainers import adapters, training
from constitutional.builtin.trainers.parameters import TrainerParams
from constitutional.builtin.trainers.tokens import Asked, askable
from constitutional.builtin.trainers.watch import Watch
from constitutional.builtin.trainers.watch import params as watches
from constitutional.builtin.trainers.watch.observer import Rewards

TAKES: Mapping[str, Port] = {
    "model": Port(PolicyModel, about="the policy to start from"),
    "prompts": Port(Prompt, many=True, about="what the policy answers while it learns"),
    **wiring.TAKES,
    "held_out": Port(Prompt, many=True, optional=True, about="prompts that are not learned from, to `watch` the policy on"),
}  # fmt: skip


class RlParams(TrainerParams, ScoringParams):
    """Parameters of every trainer by reinforcement learning."""

    max_new_tokens: int = Field(default=128, ge=1)
    """The most tokens of a completion."""

    temperature: float = Field(default=1.0, gt=0)
    """Temperature of sampling, and of the probabilities that are learned."""

    learning_rate: float = Field(default=1e-6, gt=0)
    """Peak learning rate of AdamW."""

    watch: Watch | None = None
    """What to measure on the prompts at `held_out`, when to stop, and which weights to keep; all defaults where left out."""


@dataclass(frozen=True)
class Setting:
    """What every such training has before its policy is loaded."""

    inputs: Inputs
    ctx: WholeContext
    params: Any
    encoder: DialogueEncoder
    #: Prompts with their tokens, and how many others there were, by reason.
    prompts: Sequence[Asked]
    dropped: Mapping[str, int]
    builder: Builder
    scorer: Scorer


def setting_of(inputs: Inputs, ctx: WholeContext, params: RlParams) -> Setting:
    """The setting of a training.

    Raises:
        StepFailed: if no prompt is left.
        UserError: if there is no reward, or a model cannot be loaded.
    """
    encoder = DialogueEncoder(training.tokenizer_of(inputs.model()))
    prompts, dropped = usable_prompts(inputs, encoder, params)
    builder = builder_of(inputs, params, ctx)
    return Setting(inputs, ctx, params, encoder, prompts, dropped, builder, scorer_of(builder, params))


def mistakes(params: RlParams) -> Iterable[str]:
    """What is wrong with parameters that are each right."""
    yield from adapters.mistakes(params.lora)
    if params.max_new_tokens >= params.max_length:
        yield f"`max_new_tokens`, {params.max_new_tokens}, leaves no room for a prompt within `max_length`, {params.max_length}"


def wired(params: RlParams, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
    """What is wrong between the rewards as written and the models as connected."""
    watch = params.watch
    if watch is not None and "held_out" not in ports:
        yield "`watch` has nothing to measure on: connect `held_out: NAME`, prompts that the policy does not learn from"
    yield from wiring.wired(params, ports, _gold(params))
    known = wiring.connected(ports)
    learned = _learned(params, known)
    if watch is not None and learned is not None:
        yield from watches.mistakes(watch, learned)
        if watch.gold is not None:
            yield from unknown(watch.gold, known, "`watch.gold`")


def _learned(params: RlParams, known: Iterable[str]) -> Reward | None:
    """The reward that is learned from, of the reward models with these labels."""
    return wiring.meant(params, list(known), _gold(params))


def _gold(params: RlParams) -> Reward | None:
    return None if params.watch is None else params.watch.gold


def builder_of(inputs: Inputs, params: RlParams, ctx: WholeContext) -> Builder:
    """What makes scorers of the connected models."""
    return wiring.builder_of(inputs, params, ctx.constitution, ctx.render, _gold(params))


def scorer_of(builder: Builder, params: RlParams) -> Scorer:
    """The reward that is learned from.

    Raises:
        UserError: if there is none, or a model cannot be loaded.
    """
    return builder.scorer(given(_learned(params, builder.folders)))


def watched_rewards(setting: Setting) -> Rewards:
    """What a watch scores with: the reward that is learned from, the gold one, and the members of its ensembles.

    Raises:
        UserError: if a reward model cannot be loaded.
    """
    builder = setting.builder
    learned, written = _learned(setting.params, builder.folders), _gold(setting.params)
    gold = None if written is None else builder.scorer(written)
    found = () if learned is None else ensembles(learned)
    return Rewards(setting.scorer, gold, [[builder.scorer(of) for of in one.of] for one in found])


def held_out_prompts(setting: Setting) -> list[Asked]:
    """The first prompts at `held_out` that fit and that the policy does not learn from; none where nothing is connected.

    Raises:
        StepFailed: if there are prompts and none is left.
    """
    taught = {tuple(ids) for _, ids in setting.prompts}
    most = (setting.params.watch or Watch()).prompts
    found: dict[tuple[int, ...], Asked] = {}
    why: Counter[str] = Counter()
    for row, ids in askable(setting.encoder, setting.inputs.rows("held_out"), _room(setting.params), why):
        if tuple(ids) in taught:
            why["learned from"] += 1
        elif len(found) < most:
            found.setdefault(tuple(ids), (row, ids))
    if not found and why:
        raise StepFailed("held_out", f"no held-out prompt is left to watch the policy on ({dict(why)})")
    return list(found.values())


def usable_prompts(inputs: Inputs, encoder: DialogueEncoder, params: RlParams) -> tuple[list[Asked], dict[str, int]]:
    """Prompts with their tokens that leave room for a completion, and counts of the others by reason.

    Raises:
        StepFailed: if none is left.
    """
    dropped: Counter[str] = Counter()
    kept = list(askable(encoder, inputs.rows("prompts"), _room(params), dropped))
    if not kept:
        raise StepFailed("prompts", f"no prompt is left to learn from ({dict(dropped) or 'there were none'})")
    return kept, dropped


def _room(params: RlParams) -> int:
    """The most tokens of a prompt that leaves room for a completion."""
    return params.max_length - params.max_new_tokens


def reward_figure(scores: Sequence[float], missing: Missing, seed: int) -> Any:
    """The mean score of the last batch with its n and interval, and all completions that had none, by reason."""
    from constitutional.builtin.math import figures

    return figures.average(list(scores), figures.generator(seed, "reward"), unscored=missing.counts())
