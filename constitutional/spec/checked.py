"""What the planner gets: a spec that has been looked at, with everything that was found out on the way.

A `Checked` without errors holds flat stages in an order in which they can run, each with its class, its validated
parameters, the type of each output and where each input comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from constitutional.spec.model import DataSpec, ModelSpec, Ref, Spec, StageSpec
from constitutional.spec.text import Diagnostic

if TYPE_CHECKING:
    from constitutional.backend import Backend
    from constitutional.constitution.model import Constitution
    from constitutional.parameters import BackendParams, Params, SourceParams, StageParams
    from constitutional.plugins import Registered
    from constitutional.ports import Flow, Port
    from constitutional.records import Record
    from constitutional.source import Executor, Source
    from constitutional.stage import Stage
    from constitutional.wrapping import Wrapped


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """A configured model: its backend and validated parameters (environment resolved)."""

    spec: ModelSpec
    backend: Registered[Backend]
    params: BackendParams

    @property
    def essence(self) -> Wrapped:
        """The backend that decides the answers: inside this one, where this one only places it."""
        from constitutional.wrapping import essence

        return essence(self.backend.path, self.backend.cls, self.params)


@dataclass(frozen=True, slots=True)
class CheckedData:
    """A data set: its source, validated parameters and the record its rows are read as."""

    spec: DataSpec
    source: Registered[Source]
    params: SourceParams
    record: type[Record]


@dataclass(frozen=True, slots=True)
class Edge:
    """One name in a port of a flat stage.

    `target` is a key of `Checked.stages`, `Checked.data` or `Checked.models`; `output` is `MAIN` ("") or a named
    output; `flow` what comes out there (`PolicyModel` for a configured model).
    """

    ref: Ref
    target: str
    output: str
    flow: Flow
    label: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedStage:
    """A flat stage: its class, validated parameters, outputs and inputs.

    `inputs` has every port that is written, models included (`model`, `judge`, `models`); `base_model` names, for a
    port that asks or trains a model, the configured model that the weights there began as, by port (labelled ones as
    `port.label`).
    """

    spec: StageSpec
    stage: Registered[Stage]
    params: StageParams
    takes: Mapping[str, Port]
    gives: Mapping[str, Flow]
    inputs: Mapping[str, tuple[Edge, ...]]
    base_model: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec that has been looked at.  Usable by the planner where `ok`."""

    spec: Spec
    diagnostics: tuple[Diagnostic, ...]
    models: Mapping[str, CheckedModel]
    data: Mapping[str, CheckedData]
    #: In an order in which they can run.
    stages: Mapping[str, CheckedStage]
    constitution: Constitution | None = None
    executor: Registered[Executor] | None = None
    executor_params: Params | None = None
    #: The key `limits`, if `examine` was told what may stand there; environment resolved.
    limits: Params | None = None

    @property
    def ok(self) -> bool:
        return all(found.severity != "error" for found in self.diagnostics)
