"""What a spec says, as plain frozen data in which every name knows where it is written.

Nothing here has been checked against what is installed, and no `${env:NAME}` has been looked up: `params` hold what is
written, `params_node` holds the same with places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from constitutional.ids import Json
from constitutional.spec.text import Source, Span

if TYPE_CHECKING:
    from constitutional.spec.yamltree import MapNode, Node

#: The outputs of the previous round, inside `repeat`.
PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Ref:
    """A name in a port: `draft`, `prompts.supervised`, `improve.1.critique`, `rl_cai[beta=0.05]`.

    `name` is what is referred to (`prompts`, `improve.1.critique`); `output` the named output, None for the main one.
    """

    name: str
    output: str | None
    span: Span

    def __str__(self) -> str:
        return self.name if self.output is None else f"{self.name}.{self.output}"


class Form(Enum):
    """How a port's value was written."""

    ONE = "one name"
    LIST = "a list of names"
    MAPPING = "labels with names"


@dataclass(frozen=True, slots=True)
class PortValue:
    """The names in a port, in the order of the file; `labels` runs beside `refs` and is empty unless a mapping.

    No refs at all stand for a port whose value has been reported as wrong.
    """

    form: Form
    refs: tuple[Ref, ...]
    labels: tuple[str, ...]
    key_span: Span
    span: Span

    @property
    def labelled(self) -> Mapping[str, Ref]:
        """Label -> name, where it was written as a mapping."""
        return dict(zip(self.labels, self.refs, strict=False))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What `require` asks of one figure: `{min: 0.9}`, `{max: 0.05}` or both."""

    min: float | None
    max: float | None
    span: Span
    key_span: Span


@dataclass(frozen=True, slots=True)
class StageSpec:
    """A stage, as written; after unrolling, one flat stage, whose names all point at flat stages, data or models."""

    name: str
    #: Where its name is written.
    span: Span
    kind: str
    implementation: str
    impl_span: Span
    ports: Mapping[str, PortValue] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    params_node: MapNode | None = None
    require: Mapping[str, Bounds] = field(default_factory=dict)
    about: str = ""
    #: Path within the stage (`with.beta`) -> the values to try.
    matrix: Mapping[str, tuple[Node, ...]] = field(default_factory=dict)
    #: The stage once for each combination of its matrix, by label (`beta=0.05`).
    cells: Mapping[str, StageSpec] = field(default_factory=dict)
    #: Whether mistakes were found while reading it, so that what it lacks is not reported as well.
    broken: bool = False

    def refs(self) -> list[tuple[str, Ref]]:
        """All names in all ports, with the port."""
        return [(port, ref) for port, value in self.ports.items() for ref in value.refs]


@dataclass(frozen=True, slots=True)
class RepeatSpec:
    """A group of stages that runs `times` times; round 1 reads `source` as `previous`."""

    name: str
    span: Span
    times: int
    times_span: Span
    source: Ref
    stages: Mapping[str, StageSpec]
    #: The stage whose output goes on; None for the group's only sink.
    result: Ref | None = None
    about: str = ""
    #: As of a stage.
    broken: bool = False


AnyStage: TypeAlias = StageSpec | RepeatSpec


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A configured model."""

    name: str
    span: Span
    backend: str
    backend_span: Span
    params: Mapping[str, Json]
    params_node: MapNode
    about: str = ""


@dataclass(frozen=True, slots=True)
class DataSpec:
    """A data set.  `records` is the port name of the record that its rows are read as."""

    name: str
    span: Span
    source: str
    source_span: Span
    params: Mapping[str, Json]
    params_node: MapNode
    records: str = "prompts"
    records_span: Span | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class PathValue:
    """A path, made absolute from the folder of the file that it is written in."""

    text: str
    path: Path
    span: Span


@dataclass(frozen=True, slots=True)
class PluginRef:
    """A plugin that a spec wants: an installed one's name, or a file."""

    name: str
    path: Path | None
    span: Span


@dataclass(frozen=True, slots=True)
class ExecutorSpec:
    """Where whole stages run: `executor: {use: local, ...}`."""

    use: str
    span: Span
    params: Mapping[str, Json]
    params_node: MapNode | None


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole spec, after `extends` and `--set`."""

    path: Path
    source: Source
    #: Of the format: the value of the key `constitutional`.
    version: int
    name: str
    seed: int
    plugins: tuple[PluginRef, ...]
    constitution: PathValue | None
    models: Mapping[str, ModelSpec]
    data: Mapping[str, DataSpec]
    stages: Mapping[str, AnyStage]
    limits: Mapping[str, Json]
    limits_node: MapNode | None
    executor: ExecutorSpec | None
    #: Whole-spec matrix: path (`stages.rl_cai.with.beta`) -> the values to try.
    matrix: Mapping[str, tuple[Node, ...]]
    #: The merged tree that all of this was read from.
    tree: MapNode
    about: str = ""
