"""constitutional: a written constitution in, a trained model out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from constitutional.engine.run import run
    from constitutional.plan.make import plan
    from constitutional.plan.step import Plan
    from constitutional.spec.check import load
    from constitutional.spec.model import Spec

__version__ = "0.1.0"
__all__ = ["Plan", "Spec", "load", "plan", "run"]

_WHERE = {
    "Plan": "constitutional.plan.step",
    "Spec": "constitutional.spec.model",
    "load": "constitutional.spec.check",
    "plan": "constitutional.plan.make",
    "run": "constitutional.engine.run",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'constitutional' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
