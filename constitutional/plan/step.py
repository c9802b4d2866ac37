"""The nouns of a plan: a step is a stage after unrolling, with its inputs, models and fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from constitutional.backend import Backend
from constitutional.constitution.model import Constitution
from constitutional.parameters import BackendParams, StageParams
from constitutional.plugins import Registered
from constitutional.ports import Flow
from constitutional.prompts import Template
from constitutional.source import Source
from constitutional.stage import Stage


class Shape(Enum):
    """How the engine runs a step."""

    SOURCE = "source"
    ROW = "row"
    WHOLE = "whole"
    SURVEY = "survey"


@dataclass(frozen=True, slots=True)
class Input:
    """One name in a port: an output of an earlier step."""

    step: str
    output: str
    flow: Flow
    fingerprint: str
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that a step asks or trains: a configured one, or the weights that an earlier step leaves.

    `fingerprint` covers all that decides the model's answers.  Where `trained_by` names a step, the backend and
    parameters are those of the configured model that the training started from.
    """

    name: str
    backend: Registered[Backend]
    params: BackendParams
    fingerprint: str
    label: str
    trained_by: Input | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What `require:` asks of one figure."""

    figure: str
    at_least: float | None
    at_most: float | None

    def holds(self, value: float | None) -> bool:
        """False also where there is no value: what could not be measured was not met."""
        if value is None:
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        low = [f">= {self.at_least:g}"] if self.at_least is not None else []
        high = [f"<= {self.at_most:g}"] if self.at_most is not None else []
        return f"{self.figure} {' and '.join(low + high)}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan."""

    name: str
    shape: Shape
    #: `kind/name` of the stage, `source/name` of a source.
    path: str
    place: str
    seed: int
    gives: Mapping[str, Flow]
    fingerprint: str
    #: What the fingerprint was made of, by name, for explaining.
    parts: Mapping[str, Any]
    stage: Registered[Stage] | None = None
    params: StageParams | None = None
    source: Source | None = None
    inputs: Mapping[str, Sequence[Input]] = field(default_factory=dict)
    #: By port; labelled ones as `port.label`.
    models: Mapping[str, ModelUse] = field(default_factory=dict)
    #: The port whose rows the ledger counts.
    driving: str | None = None
    require: Sequence[Bounds] = ()
    #: The templates that the parameters name, by the name given there.
    templates: Mapping[str, Template] = field(default_factory=dict)
    #: Longest way from a source: later steps go first.
    depth: int = 0

    def needs(self) -> set[str]:
        """Names of the steps that must be there first."""
        trained = {use.trained_by.step for use in self.models.values() if use.trained_by is not None}
        return {i.step for inputs in self.inputs.values() for i in inputs} | trained

    def asked(self) -> Mapping[str, ModelUse]:
        """The models that this step asks, by port; those that it trains are not among them."""
        asks = self.stage.cls.asks if self.stage is not None else {}
        return {port: use for port, use in self.models.items() if port.partition(".")[0] in asks}

    def streams_from(self) -> set[str]:
        """Names of the steps whose rows drive this one."""
        return {i.step for i in self.inputs.get(self.driving or "", ())} if self.shape is Shape.ROW else set()


#: What a preview's name ends with.
PREVIEW = "-preview"


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, in an order in which it can be done."""

    name: str
    spec_path: Path
    spec_text: str
    seed: int
    constitution: Constitution
    steps: Mapping[str, Step]
    limits: Mapping[str, Any] = field(default_factory=dict)
    executor: str = "local"
    executor_params: Mapping[str, Any] = field(default_factory=dict)
    #: The run whose first rows this plan previews.
    previews: str = ""

    @property
    def life(self) -> tuple[str, str]:
        """The names under which this run spends: its own and its preview's."""
        own = self.previews or self.name
        return own, own + PREVIEW

    def __getitem__(self, name: str) -> Step:
        return self.steps[name]
