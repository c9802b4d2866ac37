"""`constitutional test`: can this judge apply these principles?"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from constitutional.cli.opening import root_option, spec_options

if TYPE_CHECKING:
    from constitutional.plan.step import ModelUse, Plan
    from constitutional.plugins import Registry

#: What the two orders of an example gave, and the heads of their columns.
_CELLS = ("both right", "first both times", "second both times", "both wrong", "even")
_SHORT = ("right", "first", "second", "wrong", "even", "unscored")


@click.command()
@spec_options
@root_option
@click.option("--judge", metavar="MODEL", help="The judge: `builtin:support-agent`, or `{backend: ..., model: ...}`.")
@click.option("--stage", metavar="NAME", help="Of a spec with several labellers, this one.")
@click.option("--principle", "ids", multiple=True, metavar="ID", help="Only this principle; give it again for more.")
@click.option(
    "--require", type=click.FloatRange(0, 1), metavar="SHARE", help="Exit with 1 unless every accuracy reaches it."
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def test(
    spec: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, judge: str | None, stage: str | None,
    ids: Sequence[str], require: float | None, as_json: bool,
) -> int:  # fmt: skip
    """Put the examples of principles to a judge, each in both orders.  SPEC is a spec or a constitution.

    A spec is tested with the judge and template of its labeller; a constitution needs --judge.  Answers are kept beside
    those of runs: nothing is asked twice.
    """
    plan, registry, silent = _plan(spec, sets, plugins, root, judge, stage, ids)
    found = {**_run(plan, registry, root, as_json), "without_examples": silent}
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        _tell(found)
    return _gate(found["principles"], require)


def _plan(
    path: Path, sets: Sequence[str], plugins: Sequence[str], root: Path, judge: str | None, stage: str | None,
    ids: Sequence[str],
) -> tuple[Plan, Registry, list[str]]:  # fmt: skip
    """What is to be asked, and the principles that nothing can be asked of: they have no examples."""
    from constitutional.cli.constitutions import is_spec
    from constitutional.cli.opening import new_registry, open_spec
    from constitutional.constitution.read import read_constitution
    from constitutional.plan.examples import examples_plan, labeller_step, with_examples, without_examples

    if is_spec(path):
        opened = open_spec(path, sets, plugins)[0]
        step = labeller_step(opened.plan, stage)
        assert step.stage is not None
        assert step.params is not None
        models = {**step.models, "model": _use(judge, opened.registry)} if judge else _there(step.models, root)
        whole = opened.plan.constitution
        plan = examples_plan(with_examples(whole, ids), step.stage, step.params, models, opened.registry,
                             seed=opened.plan.seed, name=opened.plan.name)  # fmt: skip
        return plan, opened.registry, without_examples(whole, ids)
    whole = read_constitution(path)
    constitution = with_examples(whole, ids)
    if judge is None:
        raise click.UsageError("a constitution names no judge: --judge builtin:support-agent, or test a spec")
    registry = new_registry(plugins)
    labeller = registry.stage("labeller", "multiple-choice")
    models = {"model": _use(judge, registry)}
    plan = examples_plan(constitution, labeller, labeller.cls.Params(), models, registry)
    return plan, registry, without_examples(whole, ids)


def _use(judge: str, registry: Registry) -> ModelUse:
    """A model named on the command line, as a step asks it."""
    from constitutional.backend import Capability
    from constitutional.errors import UserError
    from constitutional.plan import fingerprint as fp
    from constitutional.plan.step import ModelUse
    from constitutional.spec.judge import read_judge

    backend, params = read_judge(judge, registry)
    if Capability.CHOICES not in backend.cls.gives:
        raise UserError(
            f"backend `{backend.path}` gives no probabilities of options", help="a judge of pairs needs them"
        )
    made = backend.cls(params)
    mark = fp.configured_model(backend.path, backend.cls.version, made.identity())
    return ModelUse("judge", backend, params, mark, backend.cls.label(params))


def _there(models: Mapping[str, ModelUse], root: Path) -> Mapping[str, ModelUse]:
    """The models of a step, if those that are trained have been.

    Raises:
        UserError: if one has not.
    """
    from constitutional.errors import UserError
    from constitutional.store.folder import Store

    for use in models.values():
        if use.trained_by is not None and not Store(root).artifacts.has(use.trained_by.fingerprint):
            raise UserError(f"the judge is what `{use.trained_by.step}` trains, which has not run yet",
                            help="run the spec first, or name another judge with --judge")  # fmt: skip
    return models


def _run(plan: Plan, registry: Registry, root: Path, quiet: bool) -> dict[str, Any]:
    from constitutional.cli.display import display
    from constitutional.engine.run import run
    from constitutional.plan.examples import VOTES
    from constitutional.records import Vote
    from constitutional.report.examples import examine, report
    from constitutional.store.artifacts import ROWS
    from constitutional.store.columns import read_rows
    from constitutional.store.folder import Store

    store = Store(root)
    try:
        if quiet:
            run(plan, registry, store, say=lambda said: click.echo(said, err=True))
        else:
            with display(plan, not sys.stdout.isatty()) as show:
                run(plan, registry, store, [show.observe], show.say)
        step = plan[VOTES]
        votes = cast("Iterator[Vote]", read_rows(store.artifacts.path(step.fingerprint, "") / ROWS, Vote))
        found = report(plan.constitution, examine(votes))
    finally:
        store.close()
    return {"constitution": plan.constitution.name, "judge": step.models["model"].label, **found}


def _tell(found: Mapping[str, Any]) -> None:
    from constitutional.text import printable

    rows: list[tuple[str, ...]] = [("principle", "accuracy", "n", *_SHORT, "")]
    rows += [_row(printable(id), said) for id, said in [*found["principles"].items(), ("all", found["all"])]]
    wide = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    click.echo(printable(f"\n{found['constitution']} by {found['judge']}"))
    for id, *cells, verdict in rows:
        right = "  ".join(f"{text:>{width}}" for text, width in zip(cells, wide[1:-1], strict=True))
        click.echo(f"{id:<{wide[0]}}  {right}  {verdict}".rstrip())
    verdicts = [said["verdict"] for said in found["principles"].values()]
    if found["without_examples"]:
        click.echo(printable(f"\nno examples, not tested: {', '.join(found['without_examples'])}"))
    if "not told from chance" in verdicts:
        click.echo(
            "\nnot told from chance: the interval holds 0.5; four examples, all judged rightly, are the fewest that leave it"
        )


def _row(id: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy = said["accuracy"]
    value = (
        "-" if accuracy["value"] is None else f"{accuracy['value']:.2f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}]"
    )
    counts = [str(said["confusion"].get(name, 0)) for name in (*_CELLS, "unscored")]
    why = ", ".join(f"{n} {reason}" for reason, n in accuracy.get("reasons", {}).items())
    return id, value, str(accuracy["n"]), *counts, said["verdict"] + (f" ({why})" if why else "")


def _gate(principles: Mapping[str, Any], require: float | None) -> int:
    """1 where a principle does not reach the share that is required; what was not measured does not."""
    from constitutional.errors import GateFailed

    if require is not None:
        accuracies = {id: said["accuracy"]["value"] for id, said in principles.items()}
        below = [id for id, value in accuracies.items() if value is None or value < require]
        if below:
            raise GateFailed(
                f"accuracy below {require:g}: {', '.join(below)}", help="another judge, or other words, may help"
            )
    return 0
