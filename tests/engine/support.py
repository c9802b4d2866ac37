"""A small world for the engine: stages, a backend and a source that a test can watch, joined to plans by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from constitutional.api import (
    MAIN,
    Ask,
    Backend,
    BackendParams,
    Capability,
    Choice,
    Completion,
    Critique,
    Demonstration,
    Message,
    Outputs,
    Port,
    Prompt,
    Request,
    Response,
    RowStage,
    Source,
    SourceParams,
    StageParams,
    Unanswered,
    WholeStage,
    user,
)
from constitutional.constitution.model import Constitution
from constitutional.ids import digest
from constitutional.plan.step import Input, ModelUse, Plan, Shape, Step
from constitutional.plugins import Installed, Registered, Registry
from constitutional.stage import Stage

HERE = Installed("test", "tests.engine.support", "tests", "0")


class EchoParams(BackendParams):
    model: str = "echo"
    seconds: float = 0.0
    refuse: str = ""
    batch: int = 8


class Echo(Backend):
    """Says back the last message with the seed; `calls` counts what it was really asked."""

    name, version, Params = "echo", 1, EchoParams
    gives = Capability.TEXT | Capability.CHOICES
    calls: ClassVar[list[str]] = []
    batches: ClassVar[list[int]] = []

    @property
    def batch_size(self) -> int:
        return self.params.batch

    async def generate(self, batch: Sequence[Request]) -> Sequence[Completion | Unanswered]:
        Echo.batches.append(len(batch))
        await asyncio.sleep(self.params.seconds)
        return [self._answer(request) for request in batch]

    def _answer(self, request: Request) -> Completion | Unanswered:
        text = request.messages[-1].content
        Echo.calls.append(text)
        if self.params.refuse and self.params.refuse in text:
            return Unanswered("refused", "by the test")
        return Completion(f"{text}! {request.seed or 0}", prompt_tokens=1, completion_tokens=1)

    async def choose(self, batch: Sequence[Any]) -> Sequence[Choice | Unanswered]:
        return [Choice((-0.1, -2.4)) for _ in batch]

    def identity(self) -> Mapping[str, Any]:
        return {"model": self.params.model}


class Answer(RowStage[Prompt, Response]):
    """Asks once."""

    kind, name = "generator", "answer"
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    async def process(self, row: Prompt, ctx: Any) -> list[Response]:
        if row.prompt[-1].content == "drop me":
            ctx.drop("asked for it")
        if row.prompt[-1].content == "break me":
            raise ZeroDivisionError("on purpose")
        said = await ctx.ask(Request(row.prompt, temperature=1.0))
        return [row.derive(Response, self.path, completion=said.text, model=ctx.model_label())]


class Complain(RowStage[Response, Critique]):
    """Asks about an answer."""

    kind, name = "critic", "complain"
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    async def process(self, row: Response, ctx: Any) -> list[Critique]:
        said = await ctx.ask(Request((Message("user", f"what is wrong with {row.completion}"),)))
        return [row.derive(Critique, self.path, principle="p", critique=said.text, violation=True)]


class Collect(WholeStage):
    """Turns everything into demonstrations, in order."""

    kind, name = "transform", "collect"
    takes: ClassVar = {"critiques": Port(Critique, many=True)}

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Any]:
        return {MAIN: Demonstration}

    def run(self, inputs: Any, ctx: Any) -> Outputs:
        return Outputs(
            rows={
                MAIN: [
                    Demonstration(row_id=r.row_id, prompt=r.prompt, completion=r.critique)
                    for r in inputs.rows("critiques")
                ]
            }
        )


class ListParams(SourceParams):
    texts: tuple[str, ...]


class ListSource(Source):
    """Rows from its own parameters."""

    name, Params = "list", ListParams

    def rows(self) -> Any:
        return iter({"prompt": text} for text in self.params.texts)

    def identity(self) -> Mapping[str, Any]:
        return {"texts": list(self.params.texts)}


def _step(
    name: str,
    shape: Shape,
    cls: type[Stage],
    gives: Any,
    inputs: Mapping[str, list[Step]],
    model: ModelUse | None,
    depth: int,
    params: StageParams | None,
) -> Step:
    joined = {
        port: [Input(s.name, MAIN, s.gives[MAIN], s.fingerprint) for s in steps] for port, steps in inputs.items()
    }
    params = params or cls.Params()
    parts = {"stage": f"{cls.kind}/{cls.name}", "params": params.model_dump(), "inputs": {p: [i.fingerprint for i in items] for p, items in joined.items()},
             "models": {"model": model.fingerprint} if model else {}, "templates": {}, "principles": {}}  # fmt: skip
    return Step(name=name, shape=shape, path=f"{cls.kind}/{cls.name}", place="spec.yaml:1:1", seed=17, gives={MAIN: gives}, fingerprint=digest(parts), parts=parts,
                stage=Registered(cls, HERE), params=params, inputs=joined, models={"model": model} if model else {}, driving=next(iter(inputs), None), depth=depth)  # fmt: skip


def source_step(texts: Sequence[str], name: str = "prompts") -> Step:
    source = ListSource(ListParams(texts=tuple(texts)))
    parts = {"stage": "source/list", "content": source.identity()}
    return Step(
        name=name,
        shape=Shape.SOURCE,
        path="source/list",
        place="spec.yaml:1:1",
        seed=17,
        gives={MAIN: Prompt},
        fingerprint=digest(parts),
        parts=parts,
        source=source,
    )


def echo_use(**params: Any) -> ModelUse:
    made = EchoParams(**params)
    return ModelUse("echo", Registered(Echo, HERE), made, digest({"model": made.model}), made.model)


def row_step(cls: type[Stage], name: str, inputs: Mapping[str, list[Step]], model: ModelUse, depth: int) -> Step:
    return _step(name, Shape.ROW, cls, cls.output, inputs, model, depth, None)


def whole_step(cls: type[Stage], name: str, inputs: Mapping[str, list[Step]], depth: int) -> Step:
    return _step(name, Shape.WHOLE, cls, cls.gives(None)[MAIN], inputs, None, depth, None)


def plan_of(*steps: Step, limits: Mapping[str, Any] | None = None) -> Plan:
    return Plan(
        name="test",
        spec_path=Path("spec.yaml"),
        spec_text="",
        seed=17,
        constitution=Constitution.empty(),
        steps={s.name: s for s in steps},
        limits=limits or {},
    )


def chain(texts: Sequence[str], limits: Mapping[str, Any] | None = None, **params: Any) -> Plan:
    """prompts -> answers -> complaints -> demonstrations."""
    use = echo_use(**params)
    prompts = source_step(texts)
    answers = row_step(Answer, "answers", {"prompts": [prompts]}, use, 1)
    complaints = row_step(Complain, "complaints", {"responses": [answers]}, use, 2)
    return plan_of(
        prompts, answers, complaints, whole_step(Collect, "collected", {"critiques": [complaints]}, 3), limits=limits
    )


def registry() -> Registry:
    return Registry()


__all__ = ["Echo", "chain", "echo_use", "plan_of", "registry", "row_step", "source_step", "user", "whole_step"]
