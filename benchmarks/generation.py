"""Generation and option scoring: rows together and one at a time on the embedded model, and how much is padding.

    python benchmarks/generation.py [--rows 128]

Prints JSON: rows per second both ways, their ratio, whether all answers are the same, and the share of padding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.sentences import sentence
from constitutional.api import ChoiceRequest, Request, user
from constitutional.builtin.backends import batches
from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams


def questions(count: int) -> list[Any]:
    draw = random.Random(0)
    return [(user(sentence(draw, draw.randint(4, 40))),) for _ in range(count)]


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started


def compared(ask: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> dict[str, Any]:
    asyncio.run(ask_all(ask, requests[:2]))
    together, fast = timed(lambda: asyncio.run(ask_all(ask, requests)))
    alone, slow = timed(lambda: [asyncio.run(ask_all(ask, [request]))[0] for request in requests])
    same = sum(a == b for a, b in zip(together, alone, strict=True))
    return {"rows": len(requests), "rows_per_second_together": round(len(requests) / fast, 1), "rows_per_second_alone": round(len(requests) / slow, 1),
            "ratio": round(slow / fast, 2), "same_answers": same}  # fmt: skip


async def ask_all(ask: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> list[Any]:
    return list(await ask(requests))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=48)
    count = parser.parse_args().rows
    backend = TransformersBackend(TransformersParams(model="builtin:support-agent"))
    asyncio.run(backend.open())
    asked = questions(count)
    lengths = [len(backend._encoder.encode(dialogue)) for dialogue in asked]
    made = list(batches.by_length(lengths, most_rows=64, most_tokens=16_384))
    said = {
        "sampled": compared(
            backend.generate, [Request(d, max_new_tokens=32, temperature=1.0, seed=i) for i, d in enumerate(asked)]
        ),
        "options": compared(backend.choose, [ChoiceRequest(d, ("A", "B")) for d in asked]),
        "padding": round(batches.padding(lengths, made), 4),
        "padding_in_order_of_arrival": round(
            batches.padding(lengths, [list(range(i, min(i + 64, count))) for i in range(0, count, 64)]), 4
        ),
    }
    print(json.dumps(said, indent=1))


if __name__ == "__main__":
    main()
