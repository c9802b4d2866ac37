"""Several debiasers, one after the other, as one stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from constitutional.api import (
    MAIN,
    Constitution,
    Fate,
    Flow,
    Json,
    Port,
    Principle,
    Record,
    StageParams,
)
from constitutional.builtin.debiasers import audit
from constitutional.builtin.debiasers.one_step import OneStep, in_order, starts
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, one_of, wrong_audit


class Compose(Debiaser):
    """Apply debiasers in the order they are written; what one makes goes into the next.

    A step is written as its name, or as its name with its parameters: `[{calibrate: {method: isotonic}}, position-swap,
    {abstain: {margin: 0.1}}]`.  Steps on votes come before the one that decides, steps on preferences after it; an order
    that makes no sense is found before anything runs.  Each step is the stage of that name, with one ledger for all:
    `abstained` gives the rows that went in and ended in no label.

    Figures: `coverage` and what rows lean towards `before` and `after`, of all steps together; and `steps`, in order,
    what each of them changed.
    """

    name, version = "compose", 1
    takes: ClassVar = {
        "rows": Port(Record, many=True, about="what the first step takes"),
        "audit": audit.PORT,
    }
    on: ClassVar = (Record,)
    ends: ClassVar = "abstained"

    class Params(StageParams):
        """Parameters of `compose`."""

        steps: Annotated[tuple[OneStep, ...], AfterValidator(in_order), Field(min_length=1, max_length=32)]
        """The debiasers, in order."""

    params: Params

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        made = [step.stage.makes for step in params.steps if step.stage.makes is not None]
        return {MAIN: made[-1] if made else Record, "abstained": Record}

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        found = {p.id: p for step in params.steps for p in step.stage.sees(step.params, constitution)}
        return list(found.values())

    @classmethod
    def ranks(cls, params: Any, constitution: Constitution) -> Mapping[str, int]:
        return {
            name: rank for step in params.steps for name, rank in step.stage.ranks(step.params, constitution).items()
        }

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        for number, step in enumerate(params.steps, start=1):
            yield from (f"step {number}, `{step.stage.name}`: {said}" for said in step.stage.check(step.params))

    @classmethod
    def check_inputs(cls, params: Any, flows: Mapping[str, Sequence[Flow]]) -> Iterator[tuple[str, str]]:
        fit = starts([step.stage for step in params.steps])
        for flow in flows.get("rows", ()):
            if flow not in fit:
                yield "rows", f"these steps take {one_of(fit)}, not {flow.__name__}"
                return
        yield from wrong_audit(flows)
        at = list(flows.get("rows", ()))
        for number, step in enumerate(params.steps, start=1):
            port = next(iter(step.stage.takes))
            for where, said in step.stage.check_inputs(step.params, {**flows, port: at}):
                yield "rows" if where == port else where, f"step {number}: {said}"
            at = [step.stage.makes] if step.stage.makes is not None else at

    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        from constitutional.builtin.debiasers.profile import profile

        at: Sequence[Any] = rows
        origins: Sequence[tuple[int, ...]] = [(place,) for place in range(len(rows))]
        ended: dict[int, tuple[Fate, str]] = {}
        said: list[Json] = []
        for number, step in enumerate(self.params.steps, start=1):
            applied = step.stage(step.params).apply(at, given)
            ended |= {origin: fate for place, fate in applied.ended.items() for origin in origins[place]}
            origins = [tuple(sorted(o for place in places for o in origins[place])) for places in applied.sources]
            before, at = at, applied.rows
            after = profile(at, given.audit, given.seed, f"compose/{number}")
            said.append(
                {
                    "step": step.stage.name,
                    "rows_in": len(before),
                    "rows_out": len(at),
                    **applied.figures,
                    "after": after,
                }
            )
        return Applied(at, origins, ended, {"steps": said})
