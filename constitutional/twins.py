"""Twins: which of several equal rows a row is, in little memory.

A Python set of a million digests takes 150 MB; this table of 64-bit marks takes 16 to 32.  Two different rows share a
mark by chance once in 10^19 pairs; then one of them only gets the number of a twin, which still is an id of its own.
"""

from __future__ import annotations

from array import array

FIRST_SLOTS = 1 << 12


class Twins:
    """Counts how often each digest was seen."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * FIRST_SLOTS))
        self._used = 0
        self._more: dict[int, int] = {}

    def occurrence(self, digest: str) -> int:
        """How often this hexadecimal digest was seen before, and count it."""
        mark = int(digest[:16], 16) or 1
        if self._new(mark):
            return 0
        self._more[mark] = self._more.get(mark, 0) + 1
        return self._more[mark]

    def _new(self, mark: int) -> bool:
        slots, most = self._slots, len(self._slots) - 1
        at = mark & most
        while found := slots[at]:
            if found == mark:
                return False
            at = (at + 1) & most
        slots[at] = mark
        self._used += 1
        if 2 * self._used > most:
            self._grow()
        return True

    def _grow(self) -> None:
        old = self._slots
        self._slots, self._used = array("Q", bytes(2 * 8 * len(old))), 0
        for mark in old:
            if mark:
                self._new(mark)
