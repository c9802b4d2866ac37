"""Debiasers: from votes to beliefs, without asking anybody again."""

from constitutional.builtin.debiasers.position_swap import PositionSwap

DEBIASERS = (PositionSwap,)

__all__ = ["DEBIASERS", "PositionSwap"]
