"""Ask a judge about every step of an answer, each given those before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from constitutional.api import (
    Ahead,
    Capability,
    ChoiceRequest,
    Forecast,
    Range,
    Rating,
    Response,
    RowContext,
    RowStage,
    TemplateName,
    transcript,
)
from constitutional.builtin.labellers import judging
from constitutional.builtin.labellers.ahead import Put, labelling
from constitutional.builtin.labellers.judging import Answer, JudgeParams, answers, first_of_two
from constitutional.builtin.labellers.rating import Question, Scale, questions, ratings
from constitutional.builtin.labellers.shots import (
    Example,
    StepShot,
    WithShots,
    about,
    few_shot,
    not_options,
    said_by_user,
)
from constitutional.builtin.labellers.step_splitting import steps_of


class Steps(WithShots, RowStage[Response, Rating]):
    """The probability that each step of an answer is right, given the steps before it.

    What a process reward model learns from (Lightman et al. 2023, arXiv 2305.20050).  Every step is judged, those after a
    wrong one too: what follows from a mistake is for a debiaser to say.
    """

    kind, name, version = "labeller", "steps", 1
    asks: ClassVar = judging.asks(Capability.CHOICES)

    class Params(JudgeParams):
        """Parameters of `steps`."""

        separator: Annotated[str, Field(min_length=1)] | None = None
        """The text between two steps; left out, a blank line, or a new line where there is no blank one."""
        most_steps: int = Field(default=64, ge=1, le=1000)
        """An answer of more steps is dropped before it is judged."""
        options: tuple[str, str] = ("Yes", "No")
        """The judge's words for a right step and a wrong one, as the template has them."""
        template: TemplateName = "step/yes-no"
        """The prompt; it is given `transcript`, `before` (a list), `step`, `number` (from 1) and `principle`."""
        shots: tuple[StepShot, ...] = ()
        """Examples before the question; the `answer` of each is one of the options."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        yield from judging.alike(params.options)
        yield from not_options(params.shots, params.options)

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        return labelling(params, ahead, "responses", Range(1.0, params.most_steps), Put(params.template))

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Rating]:
        """Raises `Unanswered` where not one question was answered."""
        steps = steps_of(row.completion, self.params.separator)
        if not steps:
            ctx.drop("no steps")
        if len(steps) > self.params.most_steps:
            ctx.drop(f"more than {self.params.most_steps} steps")
        asked = questions(self.params, ctx, range(len(steps)))
        said = await answers(self._ask(row, ctx, question, steps) for question in asked)
        return ratings(row, self.path, asked, said, Scale("step"), self.params.template, steps)

    async def _ask(self, row: Response, ctx: RowContext, question: Question, steps: Sequence[str]) -> Answer:
        p, at = self.params, question.step or 0
        examples = [
            Example({"transcript": said_by_user(shot.prompt), "before": list(shot.before), "step": shot.response,
                     "number": len(shot.before) + 1,
                     "principle": about(shot, question.principle, ctx.constitution).to_json()}, shot.answer)
            for shot in p.shots
        ]  # fmt: skip
        shown = few_shot(ctx, p.template, examples, transcript=transcript(row.prompt), before=list(steps[:at]),
                         step=steps[at], number=at + 1, principle=question.principle.to_json())  # fmt: skip
        said = await ctx.choose(ChoiceRequest(shown, p.options), model=question.judge.port)
        return first_of_two(said, p.options, p.min_mass)
