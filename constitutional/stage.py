"""Stages: the contract of everything that a spec can name.

There are three shapes.  A *row stage* takes one row at a time; rows know nothing of each other and stream.  A *whole
stage* takes everything and gives rows or folders.  A *survey stage* takes everything and asks models on the way.
The engine knows these shapes and nothing of critics or trainers.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    NoReturn,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
)

from constitutional.backend import (
    Capability,
    Choice,
    ChoiceRequest,
    Completion,
    Likelihood,
    LikelihoodRequest,
    Request,
)
from constitutional.forecast import Ahead, Forecast
from constitutional.ids import Json, JsonObject
from constitutional.parameters import StageParams
from constitutional.ports import MAIN, Artifact, Flow, Port
from constitutional.records import Messages, Record

if TYPE_CHECKING:
    from constitutional.constitution.model import Constitution, Principle

Kind: TypeAlias = Literal["generator", "critic", "reviser", "labeller", "debiaser", "trainer", "evaluator", "transform"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: How a row of a whole stage ended.
Fate: TypeAlias = Literal["kept", "dropped", "abstained", "unscored", "failed"]
FATES: tuple[Fate, ...] = get_args(Fate)

In = TypeVar("In", bound=Record)
Out = TypeVar("Out", bound=Record)


class Ask(NamedTuple):
    """A model that a stage asks: what it must be able to give, and whether several may stand there under labels."""

    capability: Capability
    labelled: bool = False
    #: The port whose place this one may take: a spec writes exactly one of the two.
    instead_of: str | None = None


class Stage(ABC):
    """What all stages have.  Raise `version` whenever the same inputs would give other outputs."""

    kind: ClassVar[Kind]
    name: ClassVar[str]
    version: ClassVar[int] = 1
    Params: ClassVar[type[StageParams]] = StageParams
    #: Models that this stage asks, by port.
    asks: ClassVar[Mapping[str, Ask]] = {}
    #: Inputs by port; a row stage's driving port is added from its type.
    takes: ClassVar[Mapping[str, Port]] = {}

    def __init__(self, params: StageParams | None = None) -> None:
        self.params: Any = params if params is not None else self.Params()

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        """Outputs by name; `MAIN` is the one that the bare name of a stage refers to.

        An output of type `Record` has the record type of the port `rows`.
        """
        raise NotImplementedError

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """The principles that can change what this stage does: all that enters its fingerprint."""
        return ()

    @classmethod
    def sees_examples(cls, params: Any) -> bool:
        """Whether the examples of those principles can change what this stage does, too."""
        return False

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        """Names of the figures that `require:` may bound, each per label of a labelled port."""
        return ()

    @classmethod
    def ranks(cls, params: Any, constitution: Constitution) -> Mapping[str, int]:
        """The priorities, by group of principles, that can change what this stage does: part of its fingerprint."""
        return {}

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast | None:
        """Rows and calls to come, for an estimate before the run; None where nothing can be said."""
        return None

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        """What is wrong with parameters that are each right: sentences for the user, before anything runs."""
        return ()

    @classmethod
    def check_inputs(cls, params: Any, flows: Mapping[str, Sequence[Flow]]) -> Iterable[tuple[str, str]]:
        """What is wrong with inputs that `takes` alone allows: (port, sentence for the user), before anything runs.

        `flows` has the type of every name in each port that is connected.
        """
        return ()

    @classmethod
    def wired(cls, params: Any, ports: Mapping[str, Sequence[str]]) -> Iterable[str]:
        """What is wrong between parameters and the ports that are connected, each with its labels (none where it has
        none): sentences for the user, before anything runs."""
        return ()


class RowContext(Protocol):
    """What a row stage may use while it works on one row."""

    constitution: Constitution
    seed: int

    @property
    def model_names(self) -> Sequence[str]:
        """The models there are, as `ask` and `choose` call them: `model`, `models.LABEL`; in the order of the spec."""

    @property
    def random(self) -> random.Random:
        """A stream that is a function of (seed, stage, row): the same at any batch size."""

    async def ask(self, request: Request, model: str = "model") -> Completion:
        """The model's answer.  Raises `Unanswered`; let it pass."""

    async def choose(self, request: ChoiceRequest, model: str = "model") -> Choice:
        """The options' log-probabilities.  Raises `Unanswered`; let it pass."""

    async def weigh(self, request: LikelihoodRequest, model: str = "model") -> Likelihood:
        """The log-probability of each token of a given answer.  Raises `Unanswered`; let it pass."""

    def render(self, template: str, **values: object) -> Messages:
        """A dialogue from a template; values are shown as they are, never read as template source."""

    def draw(self, principles: Sequence[Principle], round: int = 0, k: int = 1) -> Sequence[Principle]:
        """The `k` principles that this row meets in this round."""

    def model_label(self, model: str = "model") -> str:
        """The asked model's name for people."""

    def drop(self, reason: str) -> NoReturn:
        """End this row here, on purpose, with a reason that the ledger shows."""


class RowStage(Stage, Generic[In, Out]):
    """One row in; none, one or more rows out; rows know nothing of each other.

    The two type parameters are the whole declaration: they name the driving port, type the graph and the docs.
    """

    input: ClassVar[type[Record]]
    output: ClassVar[type[Record]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for base in getattr(cls, "__orig_bases__", ()):
            types = get_args(base)
            if len(types) == 2 and all(isinstance(t, type) for t in types):
                cls.input, cls.output = types
                cls.takes = {cls.input.port: Port(cls.input, many=True), **cls.takes}

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        return {MAIN: cls.output}

    @property
    def path(self) -> str:
        """`kind/name`: what row ids and random streams are made from."""
        return f"{self.kind}/{self.name}"

    @abstractmethod
    async def process(self, row: In, ctx: RowContext) -> Sequence[Out]:
        """Work on one row.  Its results are kept together or not at all."""


class Inputs(Protocol):
    """What flows into a whole or survey stage."""

    def rows(self, port: str) -> Iterator[Any]:
        """The rows of a port, in their order, already of the record type that the port takes."""

    def count(self, port: str) -> int:
        """How many rows a port has; 0 where nothing is connected."""

    def parts(self, port: str) -> Sequence[int]:
        """How many rows each name in a port has, in the order of the spec."""

    def model(self, port: str = "model") -> str:
        """Where a model's weights are: a folder, or a hub name."""

    def artifact(self, port: str) -> Artifact:
        """A folder made by an earlier step."""

    def artifacts(self, port: str) -> Sequence[Artifact]:
        """The folders of a port that takes several, in the order of the spec; none where nothing is connected."""

    def labels(self, port: str) -> Sequence[str]:
        """The labels of a labelled port, in the order of the spec."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a whole or survey stage leaves: rows and folders by output, figures, and what became of its input rows.

    `fates` counts the rows of the driving port by (fate, reason) and must add up to their number; left empty, all of
    them count as kept.
    """

    rows: Mapping[str, Iterable[Record]] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)
    figures: JsonObject = field(default_factory=dict)
    fates: Mapping[tuple[Fate, str], int] = field(default_factory=dict)


class WholeContext(Protocol):
    """What a whole stage may use."""

    constitution: Constitution
    seed: int
    #: A folder of this step's own that outlives a crash: checkpoints go here.
    workdir: Path

    def render(self, template: str, **values: object) -> Messages:
        """A dialogue from a template that the parameters name; values are shown as they are."""

    def progress(self, done: int, total: int, **metrics: Json) -> None:
        """Tell displays and the event log how far this is; metrics such as `loss` are plotted.

        A metric `notice` is text for people: it becomes an event of its own.
        """


class WholeStage(Stage):
    """Everything in, rows or folders out.

    With `isolated`, it runs in a process of its own, so that the accelerator is empty again afterwards; it must then
    go on from what it finds in `ctx.workdir`.
    """

    isolated: ClassVar[bool] = False

    @classmethod
    def processes(cls, params: Any) -> int:
        """How many processes of one machine run this stage together, if it is `isolated`; more than one are started by
        torchrun (`RANK`, `WORLD_SIZE`), and what the first gives back counts.  Only that one may write into the workdir."""
        return 1

    @abstractmethod
    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs: ...


class SurveyContext(Protocol):
    """What a survey stage may use."""

    constitution: Constitution
    seed: int
    workdir: Path

    def on(self, row: Record) -> RowContext:
        """The context of one row: its random stream, and the models by port (`judge`, `models.LABEL`)."""

    def progress(self, done: int, total: int, **metrics: Json) -> None: ...


class SurveyStage(Stage):
    """Everything in, figures out, and models to ask on the way.  Its calls are journalled like a row stage's."""

    @abstractmethod
    async def run(self, inputs: Inputs, ctx: SurveyContext) -> Outputs: ...
