"""Generation and option scoring on the embedded model, beside other ways to do it, and how much of a batch is padding.

    python benchmarks/generation.py [--rows 128] [--times 3] [--out FILE]

The same prompts, sampled at temperature 1 to the same length: by our backend together and one at a time, by
transformers' `pipeline(batch_size=...)` with batches of the same size, and by its continuous batching where there is a
GPU.  Ways are taken in turn; a figure is the median of the turns.  Prints JSON: rows and tokens a second, ratios, whether
answers depend on the batch, and the share of padding.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from benchmarks.sentences import sentence
from constitutional.api import ChoiceRequest, Request, user
from constitutional.builtin.backends import batches
from constitutional.builtin.backends.loading import resolve
from constitutional.builtin.backends.transformers import TransformersBackend, TransformersParams

#: New tokens at most, and rows at once.
TOKENS, BATCH = 32, 64


def questions(count: int) -> list[Any]:
    draw = random.Random(0)
    return [(user(sentence(draw, draw.randint(4, 40))),) for _ in range(count)]


def seconds(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    found = run()
    return found, time.perf_counter() - started


async def ask_all(ask: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> list[Any]:
    return list(await ask(requests))


def together(ask: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> list[Any]:
    return asyncio.run(ask_all(ask, requests))


def alone(ask: Callable[[Sequence[Any]], Any], requests: Sequence[Any]) -> list[Any]:
    return [asyncio.run(ask_all(ask, [request]))[0] for request in requests]


def piped(place: str) -> Callable[[Sequence[Request], int], list[int]]:
    """transformers' own pipeline: the number of new tokens of each answer."""
    from transformers import pipeline

    pipe = pipeline("text-generation", model=place)
    pipe.tokenizer.padding_side = "left"

    def run(requests: Sequence[Request], batch: int) -> list[int]:
        dialogues = [
            [{"role": turn.role, "content": turn.content} for turn in request.messages] for request in requests
        ]
        made = pipe(dialogues, batch_size=batch, max_new_tokens=TOKENS, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                    return_full_text=False)  # fmt: skip
        return [len(pipe.tokenizer(one[0]["generated_text"])["input_ids"]) for one in made]

    return run


def continuous(backend: TransformersBackend) -> Callable[[Sequence[Request]], list[int]]:
    """transformers' continuous batching, which needs a GPU."""
    from transformers import GenerationConfig

    config = GenerationConfig(max_new_tokens=TOKENS, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                              eos_token_id=sorted(backend._ends), pad_token_id=backend._pad)  # fmt: skip

    def run(requests: Sequence[Request]) -> list[int]:
        made = backend._model.generate_batch(
            [backend._encoder.encode(r.messages) for r in requests], generation_config=config
        )
        return [len(one.generated_tokens) for one in made.values()]

    return run


def in_turn(ways: dict[str, Callable[[], Any]], times: int) -> tuple[dict[str, Any], dict[str, float]]:
    """What each way gives, and its median seconds."""
    found: dict[str, Any] = {}
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(times):
        for name, way in ways.items():
            found[name], took = seconds(way)
            spent[name].append(took)
    return found, {name: statistics.median(took) for name, took in spent.items()}


def sampled(backend: TransformersBackend, asked: Sequence[Any], times: int) -> dict[str, Any]:
    requests = [Request(d, max_new_tokens=TOKENS, temperature=1.0, seed=i) for i, d in enumerate(asked)]
    pipe = piped(resolve("builtin:support-agent"))
    ways: dict[str, Callable[[], Any]] = {
        "together": lambda: together(backend.generate, requests),
        "alone": lambda: alone(backend.generate, requests),
        "pipeline": lambda: pipe(requests, BATCH),
    }
    if torch.cuda.is_available():
        batching = continuous(backend)
        ways["continuous"] = lambda: batching(requests)
    for way in (lambda: together(backend.generate, requests[:2]), lambda: pipe(requests[:2], 2)):
        way()
    found, took = in_turn(ways, times)
    lengths = {name: [one if isinstance(one, int) else len(backend._encoder.tokenizer(one.text)["input_ids"]) for one in made]
               for name, made in found.items()}  # fmt: skip
    same = sum(a == b for a, b in zip(found["together"], found["alone"], strict=True))
    return {"rows": len(requests), "batch": BATCH, "rows_per_second": {n: round(len(requests) / s, 1) for n, s in took.items()},
            "tokens_per_second": {n: round(sum(lengths[n]) / s) for n, s in took.items()},
            "ratio": {n: round(s / took["together"], 2) for n, s in took.items() if n != "together"}, "same_answers": same}  # fmt: skip


def options(backend: TransformersBackend, asked: Sequence[Any], times: int) -> dict[str, Any]:
    requests = [ChoiceRequest(d, ("A", "B")) for d in asked]
    together(backend.choose, requests[:2])
    found, took = in_turn({"together": lambda: together(backend.choose, requests), "alone": lambda: alone(backend.choose, requests)},
                          times)  # fmt: skip
    apart = max(abs(p - q) for a, b in zip(found["together"], found["alone"], strict=True)
                for p, q in zip(a.logprobs, b.logprobs, strict=True))  # fmt: skip
    return {"rows": len(requests), "rows_per_second": {n: round(len(requests) / s, 1) for n, s in took.items()},
            "ratio": {"alone": round(took["alone"] / took["together"], 2)}, "largest_difference_of_logprobs": apart}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", help="write the figures there as JSON")
    told = parser.parse_args()
    backend = TransformersBackend(TransformersParams(model="builtin:support-agent"))
    asyncio.run(backend.open())
    asked = questions(told.rows)
    lengths = [len(backend._encoder.encode(dialogue)) for dialogue in asked]
    arrival = [list(range(i, min(i + BATCH, told.rows))) for i in range(0, told.rows, BATCH)]
    made = list(batches.by_length(lengths, most_rows=BATCH, most_tokens=16_384))
    said = {
        "sampled": sampled(backend, asked, told.times),
        "options": options(backend, asked, told.times),
        "padding": round(batches.padding(lengths, made), 4),
        "padding_in_order_of_arrival": round(batches.padding(lengths, arrival), 4),
    }
    text = json.dumps(said, indent=1)
    print(text)
    if told.out:
        Path(told.out).write_text(text + "\n")


if __name__ == "__main__":
    main()
