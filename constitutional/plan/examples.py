"""The examples of principles as a plan: each pair of answers is put to a judge by its own principle, in both orders.

The same labeller, model and templates as in a run, and so the same calls: what a run has asked is not asked again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from constitutional.constitution.model import Constitution, Principle
from constitutional.errors import UserError
from constitutional.ids import JsonObject, digest
from constitutional.parameters import SourceParams, StageParams, marked
from constitutional.parameters import Template as TemplateMark
from constitutional.plan import fingerprint as fp
from constitutional.plan.step import Input, ModelUse, Plan, Shape, Step
from constitutional.plugins import Registered, Registry
from constitutional.ports import MAIN
from constitutional.prompts import Template, load
from constitutional.records import Pair, Vote
from constitutional.source import Source
from constitutional.stage import RowContext, RowStage, Stage
from constitutional.suggest import nearest

#: The steps of the plan.
EXAMPLES, VOTES = "examples", "votes"
#: The column of a pair that names its principle.
PRINCIPLE = "principle"
#: What a test asks, whatever a spec says: every principle that is there, in both orders.
_WHOLE: Mapping[str, Any] = {"principles": "all", "groups": None, "without": None, "orders": "both"}
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


class Examples(Source):
    """The examples of a constitution as pairs, the better answer first; the judge sees both orders."""

    name, version, Params = "examples", 1, SourceParams

    def __init__(self, principles: Sequence[Principle]) -> None:
        super().__init__(SourceParams())
        self._principles = principles

    def rows(self) -> Iterator[Mapping[str, Any]]:
        for principle in self._principles:
            for example in principle.examples:
                yield {
                    "prompt": example.prompt,
                    "first": example.better,
                    "second": example.worse,
                    PRINCIPLE: principle.id,
                }

    def identity(self) -> JsonObject:
        return {"examples": digest([dict(row) for row in self.rows()])}


def with_examples(constitution: Constitution, ids: Collection[str] = ()) -> Constitution:
    """The principles that have examples, of those ids if some are given; switched-off ones are tested all the same.

    Raises:
        UserError: if an id is unknown, or no principle has an example.
    """
    known = [p.id for p in constitution]
    for id in ids:
        if id not in known:
            guess = nearest(id, known)
            raise UserError(f"the constitution `{constitution.name}` has no principle `{id}`",
                            help=f"did you mean `{guess}`?" if guess else f"it has {', '.join(known[:12])}")  # fmt: skip
    chosen = tuple(replace(p, weight=1.0) for p in constitution if p.examples and (not ids or p.id in ids))
    if not chosen:
        raise UserError(f"the constitution `{constitution.name}` has no examples to test",
                        help="write `examples: [{prompt: ..., better: ..., worse: ...}]` at its principles")  # fmt: skip
    return replace(constitution, principles=chosen)


def without_examples(constitution: Constitution, ids: Collection[str] = ()) -> list[str]:
    """The principles that cannot be tested, of those ids if some are given."""
    return [p.id for p in constitution if not p.examples and (not ids or p.id in ids)]


def labeller_step(plan: Plan, name: str | None = None) -> Step:
    """The step of a plan that turns pairs into votes: the only one, or that of the name.

    Raises:
        UserError: if there is none of that name, or several and no name.
    """
    found = {n: s for n, s in plan.steps.items() if s.stage is not None and _turns_pairs_into_votes(s.stage.cls)}
    if name is not None and name in found:
        return found[name]
    names = ", ".join(found) or "none"
    if name is not None:
        raise UserError(f"`{name}` is no step that turns pairs into votes", help=f"there is: {names}")
    if not found:
        raise UserError(
            f"{plan.spec_path} has no labeller of pairs", help="name a judge: --judge builtin:support-agent"
        )
    alike = {(s.path, s.models["model"].fingerprint if "model" in s.models else "") for s in found.values()}
    if len(alike) > 1:
        raise UserError(f"{plan.spec_path} has several labellers: {names}", help="choose one with --stage")
    return next(iter(found.values()))


def _turns_pairs_into_votes(stage: type[Stage]) -> bool:
    return issubclass(stage, RowStage) and stage.input is Pair and stage.output is Vote


def examples_plan(
    constitution: Constitution, labeller: Registered[Stage], params: StageParams, models: Mapping[str, ModelUse],
    registry: Registry, *, seed: int = 0, name: str | None = None, limits: Mapping[str, Any] | None = None,
) -> Plan:  # fmt: skip
    """A plan of two steps, `examples` and `votes`, over a constitution whose principles have examples."""
    asked = _asking_for_all(params)
    steps: dict[str, Step] = {}
    source = Examples(constitution.principles)
    parts: dict[str, Any] = {"stage": f"source/{source.name}@{source.version}", "content": dict(source.identity())}
    steps[EXAMPLES] = Step(name=EXAMPLES, shape=Shape.SOURCE, path="source/examples", place="", seed=seed, gives={MAIN: Pair},
                           fingerprint=fp.of_parts(parts), parts=parts, source=source)  # fmt: skip
    given = Input(EXAMPLES, MAIN, Pair, steps[EXAMPLES].fingerprint)
    templates = _templates(asked, registry)
    parts = {
        "stage": f"{labeller.cls.kind}/{labeller.path}@{labeller.cls.version}+examples",
        "seed": seed,
        "params": fp.parameters(asked),
        "templates": {key: template.digest for key, template in templates.items()},
        "principles": {p.id: [p.digest(), p.weight] for p in constitution},
        "models": {port: use.fingerprint for port, use in models.items()},
        "inputs": {Pair.port: [[given.fingerprint, given.output, given.label]]},
    }
    stage = Registered(_by_its_own_principle(cast("type[RowStage[Pair, Vote]]", labeller.cls)), labeller.plugin)
    steps[VOTES] = Step(
        name=VOTES, shape=Shape.ROW, path=f"{labeller.cls.kind}/{labeller.path}", place="", seed=seed, gives={MAIN: Vote},
        fingerprint=fp.of_parts(parts), parts=parts, stage=cast("Registered[Stage]", stage), params=asked,
        inputs={Pair.port: [given]}, models=models, driving=Pair.port, templates=templates, depth=1,
    )  # fmt: skip
    folder = _UNFIT.sub("-", name or constitution.name).strip("-.") or "constitution"
    return Plan(name=f"{folder}-examples", spec_path=constitution.path or Path(), spec_text="", seed=seed,
                constitution=constitution, steps=steps, limits=limits or {"max_failures": 1e9})  # fmt: skip


def _by_its_own_principle(labeller: type[RowStage[Pair, Vote]]) -> type[RowStage[Pair, Vote]]:
    """The labeller, in whose eyes the constitution of each pair is the one principle that the pair is an example of."""

    class ByItsOwnPrinciple(labeller):  # type: ignore[misc, valid-type]
        async def process(self, row: Pair, ctx: RowContext) -> Sequence[Vote]:
            whole = ctx.constitution
            ctx.constitution = replace(whole, principles=(whole[row.meta[PRINCIPLE]],))
            votes: Sequence[Vote] = await super().process(row, ctx)
            return votes

    return ByItsOwnPrinciple


def _asking_for_all(params: StageParams) -> StageParams:
    """The parameters of a spec's labeller, made to ask by every principle and in both orders where they can say so."""
    said = {name: value for name, value in _WHOLE.items() if name in type(params).model_fields}
    return params.model_copy(update=said)


def _templates(params: StageParams, registry: Registry) -> dict[str, Template]:
    packs = registry.template_packs()
    names = [getattr(params, field) for field in marked(type(params), TemplateMark)]
    return {name: load(name, packs) for name in names if name is not None}
