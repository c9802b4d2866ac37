"""Rows in parts of a size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """The items in tuples of `size`, the last one perhaps shorter (`itertools.batched` of Python 3.12)."""
    left = iter(items)
    while part := tuple(islice(left, size)):
        yield part
