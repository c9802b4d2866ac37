"""Identity: canonical JSON, digests, row ids and the random stream that belongs to a row.

Nothing here depends on time, path, batch or order: the same inputs give the same ids on every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import orjson

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]

ROW_ID_LENGTH = 16
#: Made once: a new encoder for every call would cost more than the call.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


#: Most of what there is; to be told here is quicker than to be asked whether it is a mapping.
_FINITE = frozenset({str, int, bool, type(None)})


def canonical(value: Json) -> bytes:
    """One spelling for each JSON value: sorted keys, no spaces, UTF-8, no NaN.

    Raises:
        ValueError: for NaN and infinities, which have no JSON form.
    """
    try:
        text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # Integers of more than 64 bits, lone surrogates, keys that are no texts.
        return _CANONICAL.encode(value).encode("utf-8", "surrogatepass")
    if b"null" in text and not finite(value):
        # It writes NaN as null; the other encoder refuses it.
        _CANONICAL.encode(value)
    return text


def finite(value: object) -> bool:
    """Whether there is no NaN and no infinity in it: the fast encoder makes them null."""
    if type(value) in _FINITE:
        return True
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return all(map(finite, value))
    return not isinstance(value, Mapping) or all(map(finite, value.values()))


def digest(value: Json) -> str:
    """SHA-256 of the canonical form, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def source_row_id(content: Json, occurrence: int) -> str:
    """Id of a row read from a source: its content, and which of its twins it is (0 for the first)."""
    return digest(["source", content, occurrence])[:ROW_ID_LENGTH]


def derived_row_id(stage: str, parents: Iterable[str], index: int, content: Json = None) -> str:
    """Id of a row that a stage (`kind/name`) made from `parents`, as its `index`-th output.

    `content` tells apart rows that differ only in what a stage's parameters or model decided.  The name of
    the step in the spec is not part of it, so that renaming a step moves no row.
    """
    return digest([stage, parents if type(parents) is tuple else list(parents), index, content])[:ROW_ID_LENGTH]


def row_seed(seed: int, stage: str, row_id: str, sample: int = 0) -> int:
    """The 63-bit seed of one sample of one row: a function of nothing else."""
    return int(digest([seed, stage, row_id, sample])[:16], 16) >> 1


def row_random(seed: int, stage: str, row_id: str, sample: int = 0) -> random.Random:
    """A random stream of its own for one sample of one row."""
    return random.Random(row_seed(seed, stage, row_id, sample))
