"""Group-relative policy optimisation on `trl.GRPOTrainer`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from constitutional.builtin.trainers.group import GroupParams, GroupTrainer


class GrpoParams(GroupParams):
    """Parameters of group-relative policy optimisation."""

    kl_coefficient: float = Field(default=0.04, ge=0)
    """Weight of the divergence from the policy as it started; 0 keeps no reference in memory."""

    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"] = "grpo"
    """How tokens are averaged: within each completion (Shao et al. 2024), over a constant (Liu et al. 2025), over all
    tokens of the batch (Yu et al. 2025), or over those of the mini-batch."""

    scale: Literal["group", "batch", "none"] = "group"
    """The deviation that advantages are divided by: of their group, of the batch, or none, as in Dr. GRPO."""

    def options(self) -> dict[str, Any]:
        return {**super().options(), "beta": self.kl_coefficient, "loss_type": self.loss, "scale_rewards": self.scale}


class GrpoTrainer(GroupTrainer):
    """Optimise a policy against a reward, each completion compared with the others of its prompt.

    Group-relative policy optimisation: Shao et al. 2024 (arXiv 2402.03300), section 4.1, on `trl.GRPOTrainer`.
    """

    name, version = "grpo", 1
    Params = GrpoParams

    def classes(self) -> tuple[Any, Any]:
        from trl import GRPOConfig
        from trl import GRPOTrainer as Trainer

        return Trainer, GRPOConfig
