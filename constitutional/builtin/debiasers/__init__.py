"""Debiasers: from votes to beliefs, without asking anybody again."""

from constitutional.builtin.debiasers.compose import Compose
from constitutional.builtin.debiasers.one_step import STEPS
from constitutional.builtin.debiasers.position_swap import PositionSwap
from constitutional.builtin.debiasers.step import Debiaser

DEBIASERS: tuple[type[Debiaser], ...] = (*STEPS.values(), Compose)

__all__ = ["DEBIASERS", "Compose", "PositionSwap"]
