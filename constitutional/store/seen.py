"""Which keys were seen: a Bloom filter, eight megabytes for ten million keys."""

from __future__ import annotations

#: Two bits of 2 ** 26 for each key: at ten million keys one look in fifteen is for nothing.
_MASK = 2**26 - 1


class Seen:
    """A set of texts that forgets nothing and at times takes a stranger for a member."""

    def __init__(self) -> None:
        # Pages that were never written take no memory.
        self._bits = bytearray((_MASK + 1) // 8)

    def add(self, key: str) -> None:
        bits = hash(key)
        for bit in (bits & _MASK, bits >> 32 & _MASK):
            self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, key: str) -> bool:
        bits = hash(key)
        first, second = bits & _MASK, bits >> 32 & _MASK
        return bool(self._bits[first >> 3] & (1 << (first & 7)) and self._bits[second >> 3] & (1 << (second & 7)))
