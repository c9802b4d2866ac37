"""The loop: from the last checkpoint, round by round, to the end or to where the watch says stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from constitutional.api import WholeContext
from constitutional.builtin.rewards.contract import Missing, Scorer
from constitutional.builtin.trainers.rounds import checkpoint
from constitutional.builtin.trainers.rounds.checkpoint import State
from constitutional.builtin.trainers.rounds.optimiser import Optimiser, optimiser
from constitutional.builtin.trainers.rounds.params import RoundParams
from constitutional.builtin.trainers.rounds.policy import Policy
from constitutional.builtin.trainers.rounds.rollout import Asked, Sample, Speaker, collect, in_turn
from constitutional.builtin.trainers.watch.watching import Watching


class Method(Protocol):
    """What a trainer does with a round's samples."""

    #: Answers to each prompt of a round; they stand beside each other.
    answers: int
    #: Optimiser steps of one round that is not cut short.
    steps: int

    @property
    def models(self) -> Policy:
        """What learns."""

    def begin(self) -> State:
        """Where a training begins."""

    def learn(
        self, samples: Sequence[Sample], speaker: Speaker, state: State, optimise: Optimiser, seed: int
    ) -> dict[str, float]:
        """Learn from a round; what to log of it, `score` among it.  What later rounds need goes into `state`."""

    def figures(self, state: State) -> dict[str, Any]:
        """What to say of the whole training.  Raises `StepFailed` where nothing was learned."""


def learn(
    path: str, method: Method, speaker: Speaker, prompts: Sequence[Asked], scorer: Scorer, params: RoundParams,
    ctx: WholeContext, watching: Watching | None = None,
) -> State:  # fmt: skip
    """Go from the last checkpoint to the end, or to where the watch says stop.

    Raises:
        StepFailed: if too many scores are missing, or the loss is not a number.
    """
    total = params.rounds(len(prompts))
    learned = method.models.learned()
    optimise = optimiser(list(learned.values()), params, total * method.steps)
    state = checkpoint.restore(ctx.workdir, learned, optimise.adam) or method.begin()
    missing = Missing(params.max_missing, state.scored, Counter(state.reasons))
    if watching is not None:
        ctx.progress(state.done, total, **watching.begin(state.done))
    while state.done < total and (watching is None or watching.stopped is None):
        place = state.done * params.rollout_batch
        asked = [one for one in in_turn(prompts, ctx.seed, path, place, params.rollout_batch)
                 for _ in range(method.answers)]  # fmt: skip
        samples = collect(
            method.models, speaker, asked, scorer, params, ctx.seed, path, place * method.answers, missing
        )
        said = method.learn(samples, speaker, state, optimise, ctx.seed)
        state.done += 1
        state.log.append({"iteration": float(state.done), **said})
        state.scored, state.reasons = missing.scored, dict(missing.reasons)
        state.last_scores = [one.scored.value for one in samples if one.scored.value is not None]
        seen = watching.look(state.done) if watching is not None and watching.due(state.done, total) else {}
        ctx.progress(state.done, total, **state.log[-1], **seen)
        if state.done % params.checkpoint_every == 0 and state.done < total:
            checkpoint.write(ctx.workdir, state, learned, optimise.adam)
            if watching is not None:
                watching.checkpointed()
    return state
