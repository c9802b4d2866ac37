"""Ask a judge whether one answer is acceptable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from constitutional.api import (
    Ahead,
    Capability,
    ChoiceRequest,
    Forecast,
    Principle,
    Rating,
    Response,
    RowContext,
    RowStage,
    TemplateName,
    exactly,
    transcript,
)
from constitutional.builtin.labellers import judging
from constitutional.builtin.labellers.ahead import Put, labelling
from constitutional.builtin.labellers.judging import Answer, JudgeParams, answers, first_of_two
from constitutional.builtin.labellers.rating import Question, Scale, questions, ratings
from constitutional.builtin.labellers.shots import (
    Example,
    RatedShot,
    WithShots,
    about,
    few_shot,
    not_options,
    own_examples,
    said_by_user,
)


class Acceptable(WithShots, RowStage[Response, Rating]):
    """The probability that an answer is acceptable under each principle: yes or no, never a comparison.

    What binary methods learn from, such as KTO (Ethayarajh et al. 2024, arXiv 2402.01306).  A threshold is no business
    of the judge: the rating is the normalised probability of the first option.
    """

    kind, name, version = "labeller", "acceptable", 1
    asks: ClassVar = judging.asks(Capability.CHOICES)

    class Params(JudgeParams):
        """Parameters of `acceptable`."""

        options: tuple[str, str] = ("Yes", "No")
        """The judge's words for acceptable and for not, as the template has them."""
        template: TemplateName = "acceptable/yes-no"
        """The prompt; it is given `transcript`, `response` and `principle`."""
        shots: Annotated[int, Field(ge=0, le=32)] | tuple[RatedShot, ...] = 0
        """Examples before the question: so many of the principle's own, each both as it should be and as it should not;
        or those written here, with one of the options as `answer`."""

    params: Params

    @classmethod
    def check(cls, params: Any) -> Iterable[str]:
        yield from judging.alike(params.options)
        if not isinstance(params.shots, int):
            yield from not_options(params.shots, params.options)

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        return labelling(params, ahead, "responses", exactly(1), Put(params.template))

    async def process(self, row: Response, ctx: RowContext) -> Sequence[Rating]:
        """Raises `Unanswered` where not one question was answered."""
        asked = questions(self.params, ctx)
        said = await answers(self._ask(row, ctx, question) for question in asked)
        return ratings(row, self.path, asked, said, Scale("acceptable"), self.params.template)

    async def _ask(self, row: Response, ctx: RowContext, question: Question) -> Answer:
        p = self.params
        shown = few_shot(ctx, p.template, self._examples(ctx, question.principle), transcript=transcript(row.prompt),
                         response=row.completion, principle=question.principle.to_json())  # fmt: skip
        said = await ctx.choose(ChoiceRequest(shown, p.options), model=question.judge.port)
        return first_of_two(said, p.options, p.min_mass)

    def _examples(self, ctx: RowContext, principle: Principle) -> list[Example]:
        """Of the principle's own, the better and the worse answer take turns in coming first."""
        p = self.params
        if not isinstance(p.shots, int):
            return [self._example(shot.prompt, shot.response, about(shot, principle, ctx.constitution), shot.answer)
                    for shot in p.shots]  # fmt: skip
        made: list[Example] = []
        for index, own in enumerate(own_examples(principle, p.shots)):
            both = [self._example(own.prompt, own.better, principle, p.options[0]),
                    self._example(own.prompt, own.worse, principle, p.options[1])]  # fmt: skip
            made += both if index % 2 == 0 else reversed(both)
        return made

    def _example(self, prompt: str, response: str, principle: Principle, answer: str) -> Example:
        values = {"transcript": said_by_user(prompt), "response": response, "principle": principle.to_json()}
        return Example(values, answer)
