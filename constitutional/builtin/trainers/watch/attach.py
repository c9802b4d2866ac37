"""From a training's setting and models to a watch over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from constitutional.api import StepFailed
from constitutional.builtin.trainers import rl, training
from constitutional.builtin.trainers.rl import Setting
from constitutional.builtin.trainers.watch import Watch
from constitutional.builtin.trainers.watch.observer import Models, Observer
from constitutional.builtin.trainers.watch.watching import Watching


def attach(
    setting: Setting, policy: Any, reference: Callable[[], Any | None], learned: Mapping[str, Any]
) -> Watching | None:
    """A watch, if prompts are held out for one.  `reference` gives a model, or None for the policy without its adapter.

    Raises:
        StepFailed: if no held-out prompt is left, or several processes train.
        UserError: if a reward model cannot be loaded.
    """
    p, ctx, tokenizer = setting.params, setting.ctx, setting.encoder.tokenizer
    held_out = rl.held_out_prompts(setting)
    if not held_out:
        if p.watch is not None:
            raise StepFailed("held_out", "there are no held-out prompts to watch the policy on")
        return None
    if _processes() > 1:
        raise StepFailed("watch", "a policy that trains in several processes cannot be watched",
                         help="leave out `watch` and `held_out`, or train in one process")  # fmt: skip
    observer = Observer(
        Models(policy, _reader(policy, reference())), setting.encoder, int(tokenizer.pad_token_id),
        training.ends_of(policy, tokenizer), held_out, rl.watched_rewards(setting), p.max_new_tokens, p.temperature, ctx.seed,
    )  # fmt: skip
    return Watching(p.watch or Watch(), observer, learned, ctx.workdir, ctx.seed)


def _reader(policy: Any, reference: Any | None) -> Callable[[Any, int], Any]:
    def read(ids: Any, last: int) -> Any:
        if reference is not None:
            return reference(input_ids=ids, use_cache=False, logits_to_keep=last).logits
        with policy.disable_adapter():
            return policy(input_ids=ids, use_cache=False, logits_to_keep=last).logits

    return read


def _processes() -> int:
    import torch

    there = torch.distributed.is_available() and torch.distributed.is_initialized()
    return int(torch.distributed.get_world_size()) if there else 1
