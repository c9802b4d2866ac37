"""The other contracts: sources of rows, executors, reporters, lint rules and template packs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from constitutional.ids import JsonObject
from constitutional.parameters import Params, SourceParams

if TYPE_CHECKING:
    from constitutional.diagnostic import Diagnostic


class Source(ABC):
    """A place that rows come from."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    Params: ClassVar[type[SourceParams]]

    def __init__(self, params: SourceParams) -> None:
        self.params: Any = params

    @abstractmethod
    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The rows, as plain mappings.

        Raises:
            DataError: with file and line where a row cannot be read.
        """

    @abstractmethod
    def identity(self) -> JsonObject:
        """What decides the rows: a digest of the content, never a path or a date."""


class ExecutorParams(Params):
    """Base of an executor's parameters."""


class Executor(ABC):
    """A place to run whole stages that want a process of their own.

    `job` is a folder with `job.json`; running `python -m constitutional.engine.worker FOLDER` there does the work and
    leaves `outcome.json`.  An executor decides where and how that command runs.
    """

    name: ClassVar[str]
    Params: ClassVar[type[ExecutorParams]] = ExecutorParams

    def __init__(self, params: ExecutorParams) -> None:
        self.params: Any = params

    @abstractmethod
    async def run_whole(self, job: Path, start: Callable[[Path], Awaitable[int]]) -> int:
        """Run one job to its end and return the worker's exit status; `start` runs it on this machine."""


class Reporter(ABC):
    """A form of the report."""

    name: ClassVar[str]

    @abstractmethod
    def write(self, run: Path, to: Path) -> Path:
        """Write the report of the run folder `run` to `to`, and return what was written."""


class LintRule(ABC):
    """A rule over a constitution, spec or plan; an error stops before the first model call."""

    code: ClassVar[str]

    @abstractmethod
    def check(self, subject: object) -> Iterable[Diagnostic]:
        """What is wrong with the subject, if it is of a kind that this rule knows."""


@dataclass(frozen=True, slots=True)
class TemplatePack:
    """A folder of prompt templates inside a package; `acme/critique` is `critique.jinja` in the pack of `acme`."""

    folder: Path
