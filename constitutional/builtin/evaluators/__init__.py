"""Evaluators: from models and prompts to figures with intervals."""

from constitutional.builtin.evaluators.harmlessness import Harmlessness

EVALUATORS = (Harmlessness,)

__all__ = ["EVALUATORS", "Harmlessness"]
