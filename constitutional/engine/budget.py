"""Limits of a run: how much may fail before it is better to stop and say so."""

from __future__ import annotations

from constitutional.engine.account import Account, most_frequent
from constitutional.engine.limits import Limits
from constitutional.errors import StepFailed

#: Below this many rows a share says nothing yet.
ENOUGH_ROWS = 20


def check(step: str, account: Account, limits: Limits, total: int | None) -> None:
    """Stop a step in which too much goes wrong.

    Raises:
        StepFailed: with the reasons, the most frequent first.
    """
    troubled = account.troubled
    if not troubled:
        return
    allowed = limits.max_failures
    if allowed < 1:
        base = total if total is not None else account.settled
        if base < ENOUGH_ROWS and account.settled < base:
            return
        allowed = allowed * max(base, 1)
    if troubled > allowed:
        reasons = {r: n for fate in ("unscored", "failed") for r, n in account.reasons.get(fate, {}).items()}
        said = f"{troubled} of {account.settled} rows ended unscored or failed ({most_frequent(reasons)})"
        hint = "mend the cause and run again: finished rows are kept; `limits: {max_failures: …}` allows more"
        raise StepFailed(step, said, help=hint)
