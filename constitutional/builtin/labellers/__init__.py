"""Labellers: from pairs to votes, each as the judge gave it."""

from constitutional.builtin.labellers.multiple_choice import MultipleChoice

LABELLERS = (MultipleChoice,)

__all__ = ["LABELLERS", "MultipleChoice"]
