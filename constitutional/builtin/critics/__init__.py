"""Critics: from answers to what is wrong with them."""

from constitutional.builtin.critics.principle import PrincipleCritic

CRITICS = (PrincipleCritic,)

__all__ = ["CRITICS", "PrincipleCritic"]
