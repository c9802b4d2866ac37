"""What the journal does not have, without asking it: a Bloom filter of the keys of answers (Bloom 1970).

In a new folder nearly every question is new, and finding that out by a query costs more than all else that is done with
it: two locks, a search of a tree, and the interpreter's lock given away and taken back.  The filter says "surely not" or
"maybe", in a fixed piece of memory; a "maybe" is looked up as ever.
"""

from __future__ import annotations

#: Two mebibytes: of a million keys, one question in two hundred is looked up for nothing.
BITS = 1 << 24
_MASK = BITS - 1
#: A text's hash has 64 bits, and three places of 24 bits are taken from it.
_STRIDE = 20


class Known:
    """A set of texts that never forgets one and may name one too many; for one process, since hashes are."""

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray(BITS // 8)

    def add(self, key: str) -> None:
        bits, number = self._bits, hash(key)
        for place in (number & _MASK, number >> _STRIDE & _MASK, number >> 2 * _STRIDE & _MASK):
            bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, key: str) -> bool:
        """False where the text was surely not added."""
        bits, number = self._bits, hash(key)
        for place in (number & _MASK, number >> _STRIDE & _MASK, number >> 2 * _STRIDE & _MASK):
            if not bits[place >> 3] >> (place & 7) & 1:
                return False
        return True
