"""The built-in plugin: what comes in the box, behind the same door as everybody else's."""

from __future__ import annotations

from constitutional.api import Deferred, hookimpl
from constitutional.builtin.backends import BACKENDS
from constitutional.builtin.critics import CRITICS
from constitutional.builtin.debiasers import DEBIASERS
from constitutional.builtin.evaluators import EVALUATORS
from constitutional.builtin.executors import EXECUTORS
from constitutional.builtin.generators import GENERATORS
from constitutional.builtin.labellers import LABELLERS
from constitutional.builtin.lint import LINT_RULES
from constitutional.builtin.revisers import REVISERS
from constitutional.builtin.sources import SOURCES
from constitutional.builtin.trainers import TRAINERS
from constitutional.builtin.transforms import TRANSFORMS

STAGES: tuple[Deferred, ...] = (
    *GENERATORS,
    *CRITICS,
    *REVISERS,
    *LABELLERS,
    *DEBIASERS,
    *TRAINERS,
    *EVALUATORS,
    *TRANSFORMS,
)


@hookimpl
def constitutional_stages() -> tuple[Deferred, ...]:
    return STAGES


@hookimpl
def constitutional_backends() -> tuple[Deferred, ...]:
    return BACKENDS


@hookimpl
def constitutional_sources() -> tuple[Deferred, ...]:
    return SOURCES


@hookimpl
def constitutional_executors() -> tuple[Deferred, ...]:
    return EXECUTORS


@hookimpl
def constitutional_lint_rules() -> tuple[Deferred, ...]:
    return LINT_RULES
