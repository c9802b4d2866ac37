"""What labellers of single answers share: a question for each principle and judge, and the rating it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from constitutional.api import Principle, Rating, Response, RowContext, derived_row_id
from constitutional.builtin.labellers.judging import Answer, Judge, drawn, judges
from constitutional.builtin.templates import template_label


class Question(NamedTuple):
    """One question about a response: by which principle, who is asked, and about which step where it has some."""

    principle: Principle
    judge: Judge
    step: int | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this question about a response from the others."""
        asked = {"principle": self.principle.id, "judge": self.judge.label}
        return asked if self.step is None else asked | {"step": self.step}


def questions(params: Any, ctx: RowContext, steps: Sequence[int | None] = (None,)) -> list[Question]:
    """Every question about a response; one more principle adds its questions at the end."""
    asked = judges(ctx)
    return [Question(principle, judge, step)
            for principle in drawn(params, ctx, ctx.constitution) for judge in asked for step in steps]  # fmt: skip


class Scale(NamedTuple):
    """What was asked, and between which numbers the answer lies."""

    asked: Literal["score", "acceptable", "step"]
    low: float = 0.0
    high: float = 1.0


def ratings(row: Response, path: str, asked: Sequence[Question], said: Sequence[Answer], scale: Scale, template: str,
            steps: tuple[str, ...] = ()) -> list[Rating]:  # fmt: skip
    """The rating that each answer becomes, whatever it says."""
    return [_rating(row, path, index, question, answer, scale, template, steps)
            for index, (question, answer) in enumerate(zip(asked, said, strict=True))]  # fmt: skip


def _rating(row: Response, path: str, index: int, question: Question, said: Answer, scale: Scale, template: str,
            steps: tuple[str, ...]) -> Rating:  # fmt: skip
    """A rating, whose `sample` is the judge's, not the response's."""
    made = row.derive(
        Rating, path, index, response=row.row_id, principle=question.principle.id, judge=question.judge.label,
        asked=scale.asked, step=question.step, steps=steps, sample=0, value=said.value, low=scale.low, high=scale.high,
        mass=said.mass, abstained=said.abstained, raw=said.raw, weight=question.principle.weight,
        template=template_label(template),
    )  # fmt: skip
    # The id stands for the question: the last bits of an answer may differ between batches, and must not move rows.
    return replace(made, row_id=derived_row_id(path, made.parents, index, question.identity))
