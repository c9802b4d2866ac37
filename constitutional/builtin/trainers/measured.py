"""For trainers with a loss of their own that measure something besides it."""

from __future__ import annotations

from typing import Any

from constitutional.builtin.trainers import launch, stopping


class MeasuredLoss(stopping.LossAlone):
    """Stands before transformers' `Trainer`: each line of the log has the mean of what was measured since the last one."""

    #: What the measured number is called in the log.
    measure: str

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.model_accepts_loss_kwargs = False
        self._measured: list[float] = []

    def measured(self, model: Any, values: Any) -> None:
        """Keep the mean of the values of a batch, a tensor of any shape, while `model` is trained."""
        if model.training:
            self._measured.append(float(values.detach().mean()))

    def log(self, logs: dict[str, float], *rest: Any, **named: Any) -> None:
        """What transformers calls with a line of the log."""
        if self._measured and "loss" in logs:
            logs[self.measure] = launch.average(self, self._measured)
            self._measured.clear()
        trainer: Any = super()
        trainer.log(logs, *rest, **named)
