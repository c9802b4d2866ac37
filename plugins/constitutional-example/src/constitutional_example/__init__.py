"""A critic of manners, its template, and a listener that keeps a diary of finished steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from constitutional.api import (
    Ask,
    Capability,
    Critique,
    Request,
    Response,
    RowContext,
    RowStage,
    StageParams,
    StepFinished,
    TemplateName,
    TemplatePack,
    hookimpl,
)

DIARY = "CONSTITUTIONAL_EXAMPLE_DIARY"


class Politeness(RowStage[Response, Critique]):
    """Ask how an answer would read to the person it is for."""

    kind, name, version = "critic", "politeness", 1
    asks: ClassVar = {"model": Ask(Capability.TEXT)}

    class Params(StageParams):
        """Parameters of `politeness`."""

        template: TemplateName = "example/politeness"
        """The prompt; it is given `prompt` and `response`."""
        max_new_tokens: int = 96
        """The critique is cut off after this many tokens."""

    params: Params

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Critique]:
        asked = ctx.render(self.params.template, prompt=row.prompt, response=row.completion)
        said = await ctx.ask(Request(asked, max_new_tokens=self.params.max_new_tokens))
        rude = not said.text.lower().startswith("polite")
        made = row.derive(
            Critique, self.path, critique=said.text, principle="politeness", violation=rude, critic=ctx.model_label()
        )
        return [made]


@hookimpl
def constitutional_stages() -> list[type[Politeness]]:
    return [Politeness]


@hookimpl
def constitutional_templates() -> list[TemplatePack]:
    return [TemplatePack(Path(__file__).parent / "templates")]


@hookimpl
def constitutional_step_finished(event: StepFinished) -> None:
    """Write a line a finished step to the file that an environment variable names."""
    if path := os.environ.get(DIARY):
        with Path(path).open("a", encoding="utf-8") as diary:
            diary.write(f"{event.step}: {event.rows_out} rows\n")
