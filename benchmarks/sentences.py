"""Sentences without meaning, in words that the model in the box reads as one token or a few."""

from __future__ import annotations

import random

WORDS = ("please", "tell", "me", "the", "status", "of", "my", "order", "and", "the", "card", "that", "it", "was", "paid", "with",
         "before", "the", "parcel", "leaves", "today")  # fmt: skip


def sentence(draw: random.Random, words: int) -> str:
    """So many words, drawn with replacement."""
    return " ".join(draw.choices(WORDS, k=words))
