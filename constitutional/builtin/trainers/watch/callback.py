"""A watch over a training of transformers' Trainer and its kin."""

from __future__ import annotations

from typing import Any

from constitutional.api import WholeContext
from constitutional.builtin.trainers.watch.watching import Watching


def watching_callback(watching: Watching, ctx: WholeContext) -> Any:
    """A callback that measures at the start, when it is time, and at the end, before a checkpoint of the same step."""
    from transformers import TrainerCallback

    class Watches(TrainerCallback):  # type: ignore[misc]
        """Measures, tells, stops."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ctx.progress(state.global_step, state.max_steps, **watching.begin(state.global_step))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if watching.due(state.global_step, state.max_steps):
                ctx.progress(state.global_step, state.max_steps, **watching.look(state.global_step))
            if watching.stopped is not None:
                control.should_training_stop = True
                control.should_save = False  # a run that went on from here would take one step too many

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            watching.checkpointed()

    return Watches()
