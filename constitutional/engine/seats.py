"""Seats: what only one open backend may have at a time, such as an accelerator under a server.

Whoever needs a taken seat waits until its holder has nothing to do, lets it close, and opens.  Rows in flight are bounded,
so a holder runs dry sooner or later; that two models of one stream take turns is slow, but it ends.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Holder(Protocol):
    """Somebody who may hold seats."""

    async def rest(self) -> None:
        """Close as soon as there is nothing to do."""


class Seats:
    """Who holds what."""

    def __init__(self) -> None:
        self._holders: dict[str, Holder] = {}
        self._lock = asyncio.Lock()

    async def take(self, holder: Holder, claims: frozenset[str]) -> None:
        """Hold all of these seats; on return nobody else does."""
        if not claims:
            return
        async with self._lock:
            others = {id(o): o for claim in claims if (o := self._holders.get(claim)) not in (None, holder)}
            for other in others.values():
                await other.rest()
                self._holders = {claim: held for claim, held in self._holders.items() if held is not other}
            self._holders |= dict.fromkeys(claims, holder)

    def leave(self, holder: Holder) -> None:
        """Hold nothing any more."""
        self._holders = {claim: held for claim, held in self._holders.items() if held is not holder}
