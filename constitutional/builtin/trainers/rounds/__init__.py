"""Training in rounds, in a loop of our own: the policy answers, a reward scores, a method learns from it."""

from constitutional.builtin.trainers.rounds.params import RoundParams, mistakes
from constitutional.builtin.trainers.rounds.stage import Method, RoundTrainer

__all__ = ["Method", "RoundParams", "RoundTrainer", "mistakes"]
