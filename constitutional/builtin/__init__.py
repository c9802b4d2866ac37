"""The built-in plugin: what comes in the box, behind the same door as everybody else's."""

from __future__ import annotations

from constitutional.api import hookimpl
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

STAGES: tuple[type, ...] = (
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
def constitutional_stages() -> tuple[type, ...]:
    return STAGES


@hookimpl
def constitutional_backends() -> tuple[type, ...]:
    return BACKENDS


@hookimpl
def constitutional_sources() -> tuple[type, ...]:
    return SOURCES


@hookimpl
def constitutional_executors() -> tuple[type, ...]:
    return EXECUTORS


@hookimpl
def constitutional_lint_rules() -> tuple[type, ...]:
    return LINT_RULES
