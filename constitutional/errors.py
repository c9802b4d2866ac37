"""Every exception that constitutional raises on purpose.

::

    ConstitutionalError            exit code 1
    ├── UserError                  exit code 2: the user can mend it
    │   ├── SpecError              a spec or a constitution; carries every diagnostic
    │   ├── DataError              a source's rows
    │   └── PluginError            a plugin that is missing or broken, by name and version
    ├── RunError                   a run that failed while running
    │   ├── StepFailed             one step failed
    │   └── GateFailed             a `require:` did not hold
    ├── RunLocked                  exit code 75: another run holds the folder
    ├── Interrupted                exit code 130: stopped cleanly, to be resumed
    ├── Unanswered                 a model gave no usable answer; never a verdict
    └── Dropped                    a stage dropped its row on purpose
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from constitutional.spec.text import Diagnostic


class ConstitutionalError(Exception):
    """Base of all errors raised on purpose; `help` says what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, help: str | None = None) -> None:
        super().__init__(message)
        self.help = help


class UserError(ConstitutionalError):
    """Something the user wrote or forgot."""

    exit_code = 2


class SpecError(UserError):
    """A spec or constitution with mistakes; `diagnostics` holds all of them, in file order."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        count = len(diagnostics)
        super().__init__(f"{count} error{'s' if count != 1 else ''} in the spec")
        self.diagnostics = tuple(diagnostics)


class DataError(UserError):
    """A data file that cannot be read, or rows of the wrong shape."""


class PluginError(UserError):
    """A plugin that is not installed, does not load or breaks the contract."""


class RunError(ConstitutionalError):
    """A run that failed."""


class StepFailed(RunError):
    """One step failed; what was finished before stays finished."""

    def __init__(self, step: str, message: str, *, help: str | None = None) -> None:
        super().__init__(f"step `{step}` failed: {message}", help=help)
        self.step = step


class GateFailed(RunError):
    """One or more `require:` conditions did not hold."""


class RunLocked(ConstitutionalError):
    """Another run works in this folder."""

    exit_code = 75


class Interrupted(ConstitutionalError):
    """The run was stopped cleanly; the same command goes on."""

    exit_code = 130


class Unanswered(ConstitutionalError):
    """A model gave no usable answer.

    Stages let it pass: the engine books the row as *unscored* with `reason`.  It is never a tie, a zero, a
    refusal or any other verdict.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.detail)


class Dropped(ConstitutionalError):
    """Raised by `ctx.drop(reason)`: the row ends here, on purpose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
