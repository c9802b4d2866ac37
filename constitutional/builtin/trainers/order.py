"""The order of prompts in a training that goes on from a checkpoint."""

from __future__ import annotations

from typing import Any


def order_callback() -> Any:
    """A callback that brings TRL's sampler of groups to where the checkpoint left it.

    `trl.trainer.utils.RepeatSampler` draws each epoch's permutation from a generator of its own, which is neither in a
    checkpoint nor a function of the epoch: a training that went on would have the first epoch's order in any later one.
    """
    from transformers import TrainerCallback

    class Ordered(TrainerCallback):  # type: ignore[misc]
        """Draws the permutations of the epochs that are over."""

        def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any, **_: Any) -> None:
            sampler = train_dataloader.batch_sampler.sampler
            for _epoch in range(state.global_step * args.gradient_accumulation_steps // len(train_dataloader)):
                next(iter(sampler))

    return Ordered()
