"""Watching a training by reinforcement for reward hacking, on prompts that it does not learn from."""

from constitutional.builtin.trainers.watch.params import Watch

__all__ = ["Watch"]
