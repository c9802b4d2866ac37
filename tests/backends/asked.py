"""Questions for tiny models."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from constitutional.api import Request, user
from tests.backends.conftest import generate

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "then", "some"]


def dialogues(count: int, seed: int = 0, most: int = 8) -> list[Any]:
    draw = random.Random(seed)
    return [(user(" ".join(draw.choices(WORDS, k=draw.randint(1, most)))),) for _ in range(count)]


def sampled(count: int, **more: Any) -> list[Request]:
    return [Request(d, max_new_tokens=12, temperature=1.0, seed=i, **more) for i, d in enumerate(dialogues(count))]


def one_by_one(backend: Any, requests: Sequence[Request]) -> list[Any]:
    return [generate(backend, [request])[0] for request in requests]
