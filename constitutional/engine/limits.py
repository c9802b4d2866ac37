"""What a spec may write under `limits:` and `budget:`; apart from what keeps to it, so that a plan needs no engine."""

from __future__ import annotations

from pydantic import Field

from constitutional.parameters import Params


class Budget(Params):
    """What a run may spend in its whole life; when it is spent, the run stops cleanly, and goes on with a larger one."""

    calls: int | None = Field(default=None, ge=0)
    """Questions to models; those answered from the journal are free."""

    tokens: int | None = Field(default=None, ge=0)
    """Tokens of prompts and answers together."""

    dollars: float | None = Field(default=None, ge=0)
    """By the price of each model that is asked; a model whose price nobody knows is an error then."""

    hours: float | None = Field(default=None, ge=0)
    """Time at work, trainers included."""

    def limits(self) -> dict[str, float]:
        """Those that are set."""
        return {name: limit for name, limit in self.model_dump().items() if limit is not None}


class Limits(Params):
    """The `limits:` of a spec."""

    max_failures: float = 0.1
    """Rows of one step that may end failed or unscored: a share below 1, a number of rows from 1 on."""

    rows_in_flight: int = 256
    """Rows of one step that are worked on at the same time, at most."""

    budget: Budget = Budget()
    """What one invocation may spend: `{calls: 10000, tokens: 2000000, dollars: 5, hours: 3}`."""
