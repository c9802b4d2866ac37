"""A small world of stages, backends and sources, so that the tests of the language need no built-in of the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from constitutional.api import (
    MAIN,
    Ask,
    Backend,
    BackendParams,
    Capability,
    Constitution,
    Critique,
    Demonstration,
    Executor,
    Flow,
    Inputs,
    Outputs,
    Pair,
    Params,
    PolicyModel,
    Port,
    Preference,
    Principle,
    Prompt,
    Record,
    Report,
    Response,
    RewardModel,
    RowContext,
    RowStage,
    Source,
    SourceParams,
    SpecPath,
    StageParams,
    SurveyContext,
    SurveyStage,
    TemplateName,
    Vote,
    WholeContext,
    WholeStage,
    hookimpl,
)
from constitutional.plugins import Registry


class Row:
    async def process(self, row: Any, ctx: RowContext) -> Sequence[Any]:
        raise NotImplementedError


class Sample(Row, RowStage[Prompt, Response]):
    kind, name, version = "generator", "sample", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        temperature: float = Field(default=1.0, ge=0, le=10)
        max_new_tokens: int = Field(default=256, ge=1)
        stop: tuple[str, ...] = ()
        samples: int | Literal["auto"] = 1


class PairGenerator(Row, RowStage[Prompt, Pair]):
    kind, name, version = "generator", "pair", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}


class PrincipleCritic(Row, RowStage[Response, Critique]):
    kind, name, version = "critic", "principle", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        template: TemplateName = "critique/bai2022"
        groups: tuple[str, ...] | None = None

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        if not constitution.principles:
            raise KeyError("principles")
        return constitution.select(groups=params.groups)


class Rewrite(Row, RowStage[Critique, Response]):
    kind, name, version = "reviser", "rewrite", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}


class MultipleChoice(Row, RowStage[Pair, Vote]):
    kind, name, version = "labeller", "multiple-choice", 1
    asks: ClassVar = {
        "model": Ask(Capability.CHOICES),
        "models": Ask(Capability.CHOICES, labelled=True, instead_of="model"),
    }

    class Params(StageParams):
        principles: int = 1
        orders: Literal["both", "one"] = "both"


class PositionSwap(Row, RowStage[Vote, Preference]):
    kind, name, version = "debiaser", "position-swap", 1

    class Params(StageParams):
        margin: float = Field(default=0.0, ge=0)


class Whole(WholeStage):
    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        raise NotImplementedError


class Sft(Whole):
    kind, name, version = "trainer", "sft", 1
    takes: ClassVar = {"model": Port(PolicyModel), "demonstrations": Port(Demonstration, many=True)}

    class Params(StageParams):
        epochs: Annotated[float, Field(gt=0)] = 1.0
        learning_rate: float = 1e-5
        packing: bool = False
        resume_from: SpecPath | None = None

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}


class Dpo(Whole):
    kind, name, version = "trainer", "dpo", 1
    takes: ClassVar = {"model": Port(PolicyModel), "preferences": Port(Preference, many=True)}

    class Params(StageParams):
        beta: float = Field(default=0.1, gt=0)
        learning_rate: float = 5e-7
        loss: Literal["sigmoid", "ipo", "hinge"] = "sigmoid"

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        if params.loss == "hinge" and params.beta > 1:
            yield "`hinge` wants a `beta` of at most 1"


class Reward(Whole):
    kind, name, version = "trainer", "reward", 1
    takes: ClassVar = {"model": Port(PolicyModel), "preferences": Port(Preference, many=True)}

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: RewardModel}


class Ppo(Whole):
    kind, name, version = "trainer", "ppo", 1
    takes: ClassVar = {"model": Port(PolicyModel), "reward": Port(RewardModel), "prompts": Port(Prompt, many=True)}

    class Params(StageParams):
        kl: float

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: PolicyModel}


class Harmlessness(SurveyStage):
    kind, name, version = "evaluator", "harmlessness", 1
    asks: ClassVar = {"models": Ask(Capability.TEXT, labelled=True)}
    takes: ClassVar = {"prompts": Port(Prompt, many=True)}

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Report}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("unsafe_rate", "over_refusal")

    async def run(self, inputs: Inputs, ctx: SurveyContext) -> Outputs:
        raise NotImplementedError


class Split(Whole):
    kind, name, version = "transform", "split", 1
    takes: ClassVar = {"rows": Port(Record)}

    class Params(StageParams):
        parts: dict[str, float]

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return dict.fromkeys(params.parts, Record)


class Concat(Whole):
    kind, name, version = "transform", "concat", 1
    takes: ClassVar = {"rows": Port(Record, many=True)}

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: Record}


class ToyBackend(Backend):
    async def generate(self, batch: Sequence[Any]) -> Sequence[Any]:
        raise NotImplementedError

    def identity(self) -> Mapping[str, Any]:
        return {}


class Transformers(ToyBackend):
    name, version, gives = "transformers", 1, Capability.TEXT | Capability.CHOICES

    class Params(BackendParams):
        model: str
        dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @classmethod
    def weights(cls, params: Any) -> str | None:
        return str(params.model)


class OpenAI(ToyBackend):
    name, version, gives = "openai", 1, Capability.TEXT

    class Params(BackendParams):
        model: str
        base_url: str = ""
        base_url_env: str | None = None
        api_key_env: str | None = None


class Jsonl(Source):
    name, version = "jsonl", 1

    class Params(SourceParams):
        path: SpecPath
        limit: int | None = Field(default=None, ge=1)

    def rows(self) -> Any:
        raise NotImplementedError

    def identity(self) -> Mapping[str, Any]:
        return {}


class Local(Executor):
    name = "local"

    class Params(Params):
        devices: int = 1

    async def run_whole(self, job: Any, start: Any) -> int:
        raise NotImplementedError


STAGES = [
    Sample,
    PairGenerator,
    PrincipleCritic,
    Rewrite,
    MultipleChoice,
    PositionSwap,
    Sft,
    Dpo,
    Reward,
    Ppo,
    Harmlessness,
    Split,
    Concat,
]


@hookimpl
def constitutional_stages() -> list[type]:
    return STAGES


@hookimpl
def constitutional_backends() -> list[type]:
    return [Transformers, OpenAI]


@hookimpl
def constitutional_sources() -> list[type]:
    return [Jsonl]


@hookimpl
def constitutional_executors() -> list[type]:
    return [Local]


def registry() -> Registry:
    """A registry whose built-ins are those of this file."""
    import sys

    module: ModuleType = sys.modules[__name__]
    made = Registry()
    made.register("builtin", module)
    return made
