"""The trainer: rounds of rollout, advantages and updates.

TRL has no PPO trainer any more, so the loop is our own, on one device; every formula is a function of `builtin.math`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from constitutional.api import (
    MAIN,
    Constitution,
    Flow,
    Inputs,
    Outputs,
    PolicyModel,
    Port,
    Principle,
    WholeContext,
    WholeStage,
)
from constitutional.builtin.backends.encoding import DialogueEncoder
from constitutional.builtin.math.ppo import adapted
from constitutional.builtin.rewards.contract import Missing, Scorer
from constitutional.builtin.trainers import adapters, rl, tokens, training
from constitutional.builtin.trainers.ppo import checkpoint
from constitutional.builtin.trainers.ppo.actor import Actor
from constitutional.builtin.trainers.ppo.advantages import experience
from constitutional.builtin.trainers.ppo.params import PpoParams, mistakes
from constitutional.builtin.trainers.ppo.rollout import Asked, Speaker, collect, in_turn
from constitutional.builtin.trainers.ppo.update import optimiser, steps_a_round, update
from constitutional.builtin.trainers.watch.attach import attach
from constitutional.builtin.trainers.watch.watching import Watching, merged


class PpoTrainer(WholeStage):
    """Optimise a policy against a reward by proximal policy optimisation: the RL step of Constitutional AI.

    Bai et al. 2022 (arXiv 2212.08073), section 4, with the method of Schulman et al. 2017 (arXiv 1707.06347) and the
    penalty on the divergence from the reference of Ziegler et al. 2019 (arXiv 1909.08593).
    """

    kind, name, version = "trainer", "ppo", 1
    isolated = True
    Params = PpoParams
    takes: ClassVar[Mapping[str, Port]] = {
        **rl.TAKES,
        "reference": Port(
            PolicyModel, optional=True, about="the reference model; the policy as it starts where left out"
        ),
    }

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}

    @classmethod
    def check(cls, params: PpoParams) -> Iterable[str]:
        return mistakes(params)

    @classmethod
    def sees(cls, params: PpoParams, constitution: Constitution) -> Sequence[Principle]:
        """The principles that a judge in the reward may rate by.  Raises `UserError` where there are none."""
        return rl.seen(params, constitution)

    @classmethod
    def wired(cls, params: PpoParams, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        return rl.wired(params, ports)

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        training.quiet()
        from transformers import set_seed

        p: PpoParams = self.params
        set_seed(ctx.seed % 2**32)
        tokenizer = training.tokenizer_of(inputs.model())
        encoder = DialogueEncoder(tokenizer)
        prompts, dropped = rl.usable_prompts(inputs, encoder, p)
        builder = rl.builder_of(inputs, p, ctx)
        scorer = rl.scorer_of(builder, p)
        actor = _actor(inputs, p)
        watching = attach(
            inputs, ctx, p, encoder, prompts, builder, scorer, actor.policy, lambda: actor.reference, actor.learned()
        )
        speaker = Speaker(encoder, int(tokenizer.pad_token_id), training.ends_of(actor.policy, tokenizer))
        state = learn(actor, speaker, prompts, scorer, p, ctx, watching)
        missing = Missing(p.max_missing, state.scored, Counter(state.reasons))
        figures: dict[str, Any] = {
            "iterations": state.done, "steps": state.done * steps_a_round(p), "rows": len(prompts),
            "score": rl.reward_figure(state.last_scores, missing, ctx.seed),
            "first_score": state.log[0]["score"], **{f"last_{name}": state.log[-1][name] for name in ("kl", "length", "entropy")},
        }  # fmt: skip
        log = state.log
        if watching is not None:
            watching.finish()
            figures["watch"] = watching.figures()
            log = merged(log, watching.lines("iteration"), "iteration")
        folder = training.save(actor.policy, tokenizer, ctx.workdir / "model", p.lora, figures, log)
        return Outputs(folders={MAIN: folder}, figures=figures, fates=tokens.fates(len(prompts), dropped))


def learn(
    actor: Actor, speaker: Speaker, prompts: Sequence[Asked], scorer: Scorer, params: PpoParams, ctx: WholeContext,
    watching: Watching | None = None,
) -> checkpoint.State:  # fmt: skip
    """Go from the last checkpoint to the end, or to where the watch says stop.

    Raises:
        StepFailed: if too many scores are missing, or the loss is not a number.
    """
    total = params.iterations or max(1, round(params.epochs * len(prompts) / params.rollout_batch))
    optimise = optimiser(actor, params, total * steps_a_round(params))
    state = checkpoint.restore(ctx.workdir, actor.learned(), optimise.adam)
    state = state or checkpoint.State(beta=params.kl_coefficient)
    missing = Missing(params.max_missing, state.scored, Counter(state.reasons))
    if watching is not None:
        ctx.progress(state.done, total, **watching.begin(state.done))
    while state.done < total and (watching is None or watching.stopped is None):
        place = state.done * params.rollout_batch
        asked = list(in_turn(prompts, ctx.seed, place, params.rollout_batch))
        samples = collect(actor, speaker, asked, scorer, params, ctx.seed, place, missing)
        taught, state.moments = experience(samples, actor, params, speaker.pad, state.beta, state.moments)
        measured = update(actor, taught, optimise, params, ctx.seed, state.done)
        if params.kl_target is not None:
            state.beta = adapted(state.beta, taught.figures["kl"], params.kl_target, rate=params.kl_rate)
        state.done += 1
        state.log.append({"iteration": float(state.done), **taught.figures, **measured})
        state.scored, state.reasons = missing.scored, dict(missing.reasons)
        state.last_scores = [one.scored.value for one in samples if one.scored.value is not None]
        seen = watching.look(state.done) if watching is not None and watching.due(state.done, total) else {}
        ctx.progress(state.done, total, **state.log[-1], **seen)
        if state.done % params.checkpoint_every == 0 and state.done < total:
            checkpoint.write(ctx.workdir, state, actor.learned(), optimise.adam)
            if watching is not None:
                watching.checkpointed()
    return state


def _actor(inputs: Inputs, params: PpoParams) -> Actor:
    """Policy, reference and value function, on the device that there is."""
    from transformers import AutoModel, AutoModelForCausalLM

    device, precision = training.device_and_precision(params)
    policy = training.load(inputs.model(), AutoModelForCausalLM, params)
    place = training.reference_of(inputs) or (None if params.lora is not None else inputs.model())
    reference = None if place is None else training.load(place, AutoModelForCausalLM, params)
    body = training.load(inputs.model(), AutoModel, params) if params.value == "separate" else None
    if params.lora is not None:
        from peft import get_peft_model

        policy = get_peft_model(policy, adapters.adapter_config(params.lora, "CAUSAL_LM"))
    for model in (policy, body):
        if model is not None and params.gradient_checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if reference is not None:
        reference.to(device).eval().requires_grad_(False)
    return Actor(policy.to(device).eval(), reference, None if body is None else body.to(device).eval(), precision)
