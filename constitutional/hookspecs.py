"""The door: everything a plugin can give to constitutional, and everything it can hear.

A plugin is a module named by an entry point in the group ``constitutional``.  The entry point's name is the plugin's
prefix in a spec: with ``acme = "constitutional_acme"`` the stage that calls itself ``toxicity`` is written
``acme/toxicity``.  A plugin is imported when a spec, or ``-p acme``, names it; never before.  Import torch and its like
inside methods.

Hooks come in two sorts.

*Giving* hooks take no argument and return classes.  Each is called once per plugin.  What they return is checked then
and there; a mistake names the plugin and its version.

*Listening* hooks take one argument, ``event``, a frozen object that may gain fields in a minor release.  They are
called in order of registration, away from the row loop.  What they raise is logged once, the listener is dropped, and
the run goes on.

Write no defaults for hook arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constitutional.api import (
        Backend,
        Executor,
        LintRule,
        ModelNotice,
        Progress,
        Record,
        Reporter,
        RowFailed,
        RunFinished,
        RunStarted,
        Source,
        Stage,
        StepFinished,
        StepNotice,
        StepStarted,
        TemplatePack,
    )

PROJECT = "constitutional"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

# -- giving ----------------------------------------------------------------------------------------------------------


@hookspec
def constitutional_stages() -> Iterable[type[Stage]]:  # type: ignore[empty-body]
    """Stages of any kind: generator, critic, reviser, labeller, debiaser, trainer, evaluator, transform.

    Called: when a spec names a stage of this plugin.
    In a spec: ``critic: acme/toxicity``.

    Example::

        @hookimpl
        def constitutional_stages():
            return [ToxicityCritic]
    """


@hookspec
def constitutional_backends() -> Iterable[type[Backend]]:  # type: ignore[empty-body]
    """Ways to ask a model.

    Called: when a spec names a backend of this plugin.
    In a spec: ``models: {judge: {backend: acme/tgi, model: ...}}``.
    """


@hookspec
def constitutional_sources() -> Iterable[type[Source]]:  # type: ignore[empty-body]
    """Places that rows come from.

    Called: when a spec names a source of this plugin.
    In a spec: ``data: {attacks: {source: acme/warehouse, ...}}``.
    """


@hookspec
def constitutional_records() -> Iterable[type[Record]]:  # type: ignore[empty-body]
    """Record types of this plugin's own, each with the name of the port it flows through.

    Called: when a spec names this plugin.  A record may not take a reserved or built-in port name.
    """


@hookspec
def constitutional_templates() -> Iterable[TemplatePack]:  # type: ignore[empty-body]
    """Folders of prompt templates inside this package.

    Called: when a spec names this plugin.
    In a spec: ``with: {template: acme/critique-medical}``.
    Templates are data: they are rendered in a sandbox, and their text is part of the fingerprint.
    """


@hookspec
def constitutional_executors() -> Iterable[type[Executor]]:  # type: ignore[empty-body]
    """Places to run whole stages.

    Called: when a spec names an executor of this plugin.
    In a spec: ``executor: {use: acme/slurm, ...}``.
    """


@hookspec
def constitutional_reporters() -> Iterable[type[Reporter]]:  # type: ignore[empty-body]
    """Forms of the report.

    Called: when a command names a reporter of this plugin.
    """


@hookspec
def constitutional_lint_rules() -> Iterable[type[LintRule]]:  # type: ignore[empty-body]
    """Rules over a constitution, a spec or a plan that give diagnostics.

    Called: when a spec names this plugin.  An error stops before the first call: the way for a company to say "no
    customer data to an outside judge".
    """


# -- listening -------------------------------------------------------------------------------------------------------


@hookspec
def constitutional_run_started(event: RunStarted) -> None:
    """A run begins: its id, folder, steps and the versions of what it runs with."""


@hookspec
def constitutional_step_started(event: StepStarted) -> None:
    """A step begins: its stage, what is done already and why the rest is not."""


@hookspec
def constitutional_step_finished(event: StepFinished) -> None:
    """A step ended: its ledger (kept, dropped, abstained, unscored, failed), time, calls, tokens and outputs."""


@hookspec
def constitutional_row_failed(event: RowFailed) -> None:
    """A row could not be finished, with the reason.  Rows that succeed are not announced one by one."""


@hookspec
def constitutional_model_notice(event: ModelNotice) -> None:
    """What is to be known of a model while it is asked: that its server is gone, or there again, or gives less."""


@hookspec
def constitutional_step_notice(event: StepNotice) -> None:
    """What is to be known of a step while it works: that a reward is being gamed, or that a training stops early."""


@hookspec
def constitutional_progress(event: Progress) -> None:
    """At most four times a second: counters of all steps, for displays and trackers."""


@hookspec
def constitutional_run_finished(event: RunFinished) -> None:
    """A run ended, well or badly: figures with their n and intervals, gates that failed, the error if any."""
