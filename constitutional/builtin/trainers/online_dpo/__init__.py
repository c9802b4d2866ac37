"""Direct preference optimisation on the policy's own answers, compared by a reward as they are made."""

from constitutional.builtin.trainers.online_dpo.trainer import OnlineDpoTrainer

__all__ = ["OnlineDpoTrainer"]
