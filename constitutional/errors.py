"""Every exception that constitutional raises on purpose.

::

    ConstitutionalError            exit code 1
    ├── UserError                  exit code 2: the user can mend it
    │   ├── SpecError              a spec or a constitution; carries every diagnostic
    │   ├── DataError              a source's rows
    │   └── PluginError            a plugin that is missing or broken, by name and version
    ├── RunError                   a run that failed while running
    │   ├── StepFailed             one step failed
    │   ├── BudgetSpent            calls, tokens, dollars or hours are used up; to be resumed
    │   ├── StoreFailed            exit code 74: the disk is full, read-only or failing
    │   └── GateFailed             a `require:` did not hold
    ├── RunLocked                  exit code 75: another run holds the folder
    ├── Interrupted                exit code 130: stopped cleanly, to be resumed
    ├── Unanswered                 a model gave no usable answer; never a verdict
    ├── NotNow                     a model could not be asked just now; the engine asks again
    └── Dropped                    a stage dropped its row on purpose
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from constitutional.diagnostic import Diagnostic


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


class StoreFailed(RunError):
    """What was computed cannot be kept: the disk is full, read-only or failing."""

    exit_code = 74


class BudgetSpent(RunError):
    """The run's budget is used up; what is finished is kept, and the same command goes on."""


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


class NotNow(ConstitutionalError):
    """A model could not be asked just now, but may be later: too many requests, a lost connection, a late answer.

    A backend gives or raises it in place of an answer, and the engine asks again as the backend's `patience` says.
    `after` is the wait in seconds that the server wished for; `busy` says that it had too much to do, so that less is
    asked of it at once; `gone` says that nobody answered at all, so that the question itself is not to blame.
    """

    def __init__(
        self, reason: str, detail: str = "", *, after: float | None = None, busy: bool = False, gone: bool = False
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.after = after
        self.busy = busy
        self.gone = gone


class Dropped(ConstitutionalError):
    """Raised by `ctx.drop(reason)`: the row ends here, on purpose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
