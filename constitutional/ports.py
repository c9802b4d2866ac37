"""Ports: what a stage takes and gives, and which record may stand in for which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

from constitutional.records import Demonstration, Prompt, Record, Response

#: The key of a stage's only, or main, output in `Stage.gives`.
MAIN = ""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished folder or file in the store."""

    port: ClassVar[str] = "artifact"
    path: Path


class PolicyModel(Artifact):
    """A causal language model: a folder with config, tokenizer and safetensors (or an adapter)."""

    port: ClassVar[str] = "model"


class RewardModel(Artifact):
    """A sequence classifier with one output: the reward of a dialogue."""

    port: ClassVar[str] = "reward"


class ProcessRewardModel(RewardModel):
    """A token classifier with two labels: whether each step of a dialogue's last answer is right."""


class Report(Artifact):
    """Figures with their n and intervals: a folder with `report.json`."""

    port: ClassVar[str] = "report"


Flow: TypeAlias = type[Record] | type[Artifact]


@dataclass(frozen=True, slots=True)
class Port:
    """One input: what flows in, and how many names may stand there.

    `many` allows a list of names, whose rows follow one another; `labelled` asks for a mapping of labels to names.
    A port of type `Record` takes any record.
    """

    type: Flow
    many: bool = False
    labelled: bool = False
    optional: bool = False
    about: str = ""


#: Records that may stand in for others, each because it has all the other's columns: given -> taken.
WIDENINGS: tuple[tuple[type[Record], type[Record], str], ...] = (
    (Response, Demonstration, "an answer is a demonstration of what to say"),
    (Prompt, Demonstration, "a prompt whose data set has an answer is a demonstration"),
    (Response, Prompt, "the prompt of an answer may be asked again"),
)


def fits(given: Flow, taken: Flow) -> bool:
    """Whether an output of type `given` may flow into a port of type `taken`."""
    if issubclass(given, taken):
        return True
    return any(issubclass(given, source) and taken is target for source, target, _ in WIDENINGS)


def widen(row: Record, to: type[Record]) -> Record:
    """The same row as the record type that a port takes; itself where the types already agree.

    Raises:
        ValueError: if a prompt without an answer is used as a demonstration, with the row's id.
    """
    if isinstance(row, to):
        return row
    if to is Demonstration and isinstance(row, (Prompt, Response)):
        if row.completion is None:
            raise ValueError(f"row {row.row_id} has no `completion`, so it is no demonstration")
        rounds = row.rounds if isinstance(row, Response) else ()
        return Demonstration(row_id=row.row_id, parents=row.parents, meta=row.meta, prompt=row.prompt,
                             completion=row.completion, rounds=rounds)  # fmt: skip
    if to is Prompt and isinstance(row, Response):
        return Prompt(row_id=row.row_id, parents=row.parents, meta=row.meta, prompt=row.prompt)
    raise TypeError(f"{type(row).__name__} does not fit {to.__name__}")
