"""Batches: requests of like length together, within a budget of tokens, and smaller ones when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from constitutional.api import Unanswered

#: Share of a batch that may be padding.
MOST_PADDING = 0.15

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def by_length(lengths: Sequence[int], *, most_rows: int, most_tokens: int) -> Iterator[list[int]]:
    """Indices in batches, longest first, so that a batch that does not fit shows at once.

    No batch has more than `most_rows` rows, `most_tokens` padded tokens (but for a single row), or more than
    `MOST_PADDING` of padding.
    """
    batch: list[int] = []
    used = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        longest = lengths[batch[0]] if batch else lengths[index]
        rows = len(batch) + 1
        wasted = 1 - (used + lengths[index]) / (rows * longest) if longest else 0.0
        if batch and (rows > most_rows or rows * longest > most_tokens or wasted > MOST_PADDING):
            yield batch
            batch, used = [], 0
        batch.append(index)
        used += lengths[index]
    if batch:
        yield batch


def padding(lengths: Sequence[int], batches: Sequence[Sequence[int]]) -> float:
    """Share of all tokens in the batches that is padding."""
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    return 1 - sum(lengths) / padded if padded else 0.0


def halving(run: Callable[[Sequence[Item]], Sequence[Answer]], items: Sequence[Item]) -> list[Answer | Unanswered]:
    """Run a batch; where memory runs out, run its halves, down to single rows that are then unanswered."""
    import torch

    try:
        return list(run(items))
    except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(items) == 1:
        return [Unanswered("out-of-memory", "one row alone does not fit")]
    middle = len(items) // 2
    return [*halving(run, items[:middle]), *halving(run, items[middle:])]


def _out_of_memory(error: BaseException) -> bool:
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "out of memory" in str(error).lower()
    )
