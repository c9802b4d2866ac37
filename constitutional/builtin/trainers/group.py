"""What GRPO and RLOO share: groups of completions of one prompt, rewarded on TRL's trainers.

One callable is handed over, whatever the reward is made of: TRL takes a score that is missing from one of several
callables for zero.  It scores dialogues with the reward models' own tokenizers, limits and batches.
"""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from constitutional.api import WholeContext, assistant, messages
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.backends.loading import resolve
from constitutional.builtin.rewards.contract import Missing, Scorer
from constitutional.builtin.trainers import adapters, known_args, rl, tokens, training
from constitutional.builtin.trainers.order import order_callback
from constitutional.builtin.trainers.parameters import training_arguments
from constitutional.builtin.trainers.policies import Learned, PolicyTrainer
from constitutional.builtin.trainers.watch.attach import attach
from constitutional.builtin.trainers.watch.callback import watching_callback

#: TRL's names of what is written otherwise here.
OWN = {"num_generations": "group_size", "max_completion_length": "max_new_tokens", "temperature": "temperature",
       "beta": "kl_coefficient", "epsilon": "clip", "num_iterations": "updates", "reward_weights": "reward",
       "loss_type": "loss", "scale_rewards": "scale", "normalize_advantages": "normalise",
       "chat_template_kwargs": None, "steps_per_generation": "gradient_accumulation", "generation_batch_size": None}  # fmt: skip


class GroupParams(rl.RlParams):
    """Parameters of trainers that compare the completions of one prompt with each other."""

    group_size: int = Field(default=8, ge=2)
    """Completions of each prompt."""

    batch_size: int = Field(default=16, ge=2)
    """Completions a device and step; with `gradient_accumulation`, a multiple of `group_size`."""

    updates: int = Field(default=1, ge=1)
    """Optimiser steps on each batch of completions."""

    clip: float = Field(default=0.2, gt=0)
    """How far the probability ratio moves before the surrogate stops paying."""

    def options(self) -> dict[str, Any]:
        """Arguments of TRL's configuration."""
        return {"num_generations": self.group_size, "max_completion_length": self.max_new_tokens,
                "temperature": self.temperature, "num_iterations": self.updates, "epsilon": self.clip,
                "steps_per_generation": self.gradient_accumulation}  # fmt: skip


class GroupTrainer(PolicyTrainer):
    """A trainer of TRL on groups of completions."""

    Params: ClassVar[type[Any]] = GroupParams
    counts = "step"

    @classmethod
    def check(cls, params: GroupParams) -> Iterable[str]:
        yield from known_args.mistakes(cls.name, params.trainer_args, OWN)
        yield from known_args.tracker_mistakes(params)
        together = params.batch_size * params.gradient_accumulation
        if together % params.group_size:
            yield f"`batch_size` times `gradient_accumulation`, {together}, is no multiple of `group_size`, {params.group_size}"
        yield from rl.mistakes(params)

    @abstractmethod
    def classes(self) -> tuple[Any, Any]:
        """TRL's trainer and its configuration."""

    def learn(self, setting: rl.Setting) -> Learned:
        from datasets import Dataset
        from transformers import AutoModelForCausalLM

        p, ctx, encoder, prompts = setting.params, setting.ctx, setting.encoder, setting.prompts
        trainer_class, config_class = self.classes()
        start = training.whole(setting.inputs.model(), ctx.workdir, p)
        policy = training.load(start, AutoModelForCausalLM, p)
        # an adapter of it is one on top of the adapter that it began as
        policy.name_or_path = resolve(setting.inputs.model())
        trainer = trainer_class(
            policy,
            reward_function(setting.scorer, encoder, Missing(p.max_missing)),
            config_class(**_arguments(p, ctx, len(prompts))),
            train_dataset=Dataset.from_list(
                [
                    {"prompt": [turn.to_json() for turn in row.prompt], "meta": row.to_row()["meta"]}
                    for row, _ in prompts
                ]
            ),
            processing_class=tokens.guarded(encoder),
            peft_config=adapters.adapter_config(p.lora, "CAUSAL_LM"),
        )
        trainer.add_callback(order_callback())
        watching = attach(setting, trainer.model, lambda: _reference(trainer, start, p), _learned(trainer.model))
        if watching is not None:
            trainer.add_callback(watching_callback(watching, ctx))
        log = training.train(trainer, ctx, p)
        steps = trainer.state.global_step
        return Learned(trainer.model, steps, {"steps": steps, "rows": len(prompts), **_figures(log, p)}, log, watching)


def _learned(model: Any) -> dict[str, Any]:
    return {name: one for name, one in model.named_parameters() if one.requires_grad}


def _reference(trainer: Any, start: str, params: GroupParams) -> Any | None:
    """The policy as it started: TRL's copy, ours where no penalty needs one, or None for the policy without its adapter."""
    if params.lora is not None:
        return None
    if getattr(trainer, "ref_model", None) is not None:
        return trainer.ref_model
    from transformers import AutoModelForCausalLM

    return training.load(start, AutoModelForCausalLM, params).to(trainer.model.device).eval().requires_grad_(False)


def reward_function(scorer: Scorer, encoder: DialogueEncoder, missing: Missing) -> Callable[..., list[float | None]]:
    """The reward as TRL calls it: dialogues and token ids in, a score or None for each out."""

    def reward(
        prompts: list[Any], completion_ids: list[list[int]], log_metric: Callable[[str, float], None],
        meta: list[str] | None = None, **_: Any,
    ) -> list[float | None]:  # fmt: skip
        dialogues = [(*messages(prompt), assistant(encoder.decode(ids)))
                     for prompt, ids in zip(prompts, completion_ids, strict=True)]  # fmt: skip
        scores = scorer.score(dialogues, None if meta is None else [json.loads(one) for one in meta])
        missing.check(scores)
        log_metric("unscored", sum(one.value is None for one in scores) / len(scores))
        return [one.value for one in scores]

    return reward


def _arguments(params: GroupParams, ctx: WholeContext, rows: int) -> dict[str, Any]:
    """A checkpoint may fall between two batches of completions only: within one, its completions would be lost."""
    said = training_arguments(params, ctx.seed, ctx.workdir, rows)
    said["logging_steps"] = params.trainer_args.get("logging_steps", 1)
    every = math.lcm(int(said["logging_steps"]), params.updates)
    said["save_steps"] = -(-params.checkpoint_every // every) * every
    return {**said, **params.options()}


def _figures(log: Sequence[Mapping[str, float]], params: GroupParams) -> dict[str, Any]:
    """First and last mean score; the last with its n, what had none, and an interval of two standard errors."""
    lines = [line for line in log if "reward" in line]
    if not lines:
        return {"score": None}
    last = lines[-1]
    completions = params.batch_size * params.gradient_accumulation
    unscored = round(last.get("unscored", 0.0) * completions)
    n = completions - unscored
    reach = 1.96 * last["reward_std"] / math.sqrt(max(1, n))
    score = {"value": last["reward"], "low": last["reward"] - reach, "high": last["reward"] + reach, "n": n,
             "unscored": unscored, "method": "normal"}  # fmt: skip
    watched = {f"last_{name}": last[name] for name in ("kl", "entropy", "completions/mean_length") if name in last}
    return {"score": score, "first_score": lines[0]["reward"],
            **{name.replace("completions/mean_", ""): value for name, value in watched.items()}}  # fmt: skip
