"""REINFORCE with a leave-one-out baseline on `trl.RLOOTrainer`."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from constitutional.builtin.trainers.group import GroupParams, GroupTrainer


class RlooParams(GroupParams):
    """Parameters of REINFORCE with a leave-one-out baseline."""

    group_size: int = Field(default=4, ge=2)
    """Completions of each prompt."""

    kl_coefficient: float = Field(default=0.05, ge=0)
    """Weight of the divergence from the policy as it started, in the reward of each completion."""

    normalise: bool = False
    """Bring the advantages of a batch to mean zero and deviation one."""

    def options(self) -> dict[str, Any]:
        return {**super().options(), "beta": self.kl_coefficient, "normalize_advantages": self.normalise}


class RlooTrainer(GroupTrainer):
    """Optimise a policy against a reward, with the mean of the other completions of a prompt as each one's baseline.

    REINFORCE leave-one-out: Ahmadian et al. 2024 (arXiv 2402.14740), section 3.3, on `trl.RLOOTrainer`.
    """

    name, version = "rloo", 1
    Params = RlooParams

    def classes(self) -> tuple[Any, Any]:
        from trl import RLOOConfig
        from trl import RLOOTrainer as Trainer

        return Trainer, RLOOConfig
