"""Evaluators: from models and prompts to figures with intervals."""

from constitutional.builtin.evaluators.harmlessness import Harmlessness
from constitutional.builtin.evaluators.rewards import Rewards

EVALUATORS = (Harmlessness, Rewards)

__all__ = ["EVALUATORS", "Harmlessness", "Rewards"]
