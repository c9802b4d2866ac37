"""Doing again what is done: which steps, and which of their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from constitutional.errors import UserError
from constitutional.plan.step import Plan
from constitutional.store.artifacts import Artifacts
from constitutional.suggest import nearest

FAILED, TRUNCATED = "failed", "truncated"


@dataclass(frozen=True, slots=True)
class Redo:
    """Steps whose artifacts do not count, steps whose calls are all asked again, and whether cut answers are."""

    steps: frozenset[str] = frozenset()
    asked_again: frozenset[str] = frozenset()
    truncated: bool = False

    def __bool__(self) -> bool:
        return bool(self.steps)


def redo(plan: Plan, artifacts: Artifacts, wanted: Sequence[str]) -> Redo:
    """What `--redo` names: `failed`, `truncated`, or steps by name; and all that follows from them.

    Raises:
        UserError: if a name is neither, with the nearest one.
    """
    named = [name for name in wanted if name not in (FAILED, TRUNCATED)]
    for name in named:
        if name not in plan.steps:
            guess = nearest(name, [*plan.steps, FAILED, TRUNCATED])
            raise UserError(f"there is no step `{name}` to redo",
                            help=f"did you mean `{guess}`?" if guess else "`constitutional plan` lists the steps")  # fmt: skip
    first = set(named)
    for name, step in plan.steps.items():
        if wanted and artifacts.has(step.fingerprint):
            ledger = artifacts.finished(step.fingerprint).ledger
            troubled = ledger.get("unscored", 0) + ledger.get("failed", 0)
            if (FAILED in wanted and troubled) or (TRUNCATED in wanted and step.models and step.driving):
                first.add(name)
    return Redo(frozenset(_with_followers(plan, first)), frozenset(named), TRUNCATED in wanted)


def _with_followers(plan: Plan, first: set[str]) -> set[str]:
    found = set(first)
    for name, step in plan.steps.items():
        if step.needs() & found:
            found.add(name)
    return found
