"""Shares: whose time it was, where many things are under way at once."""

from __future__ import annotations

import time


class Shares:
    """Time by the clock, divided among what is in flight: what two batches at once take is half each's."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._sum = 0.0

    def now(self, flying: int) -> float:
        """Seconds that each of `flying` batches was given so far; the difference of two readings is one batch's share."""
        before, self._at = self._at, time.monotonic()
        self._sum += (self._at - before) / max(1, flying)
        return self._sum
