"""Proximal policy optimisation against a reward, on transformers and torch alone."""

from constitutional.builtin.trainers.ppo.trainer import PpoTrainer

__all__ = ["PpoTrainer"]
