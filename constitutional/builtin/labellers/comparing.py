"""What labellers of pairs share: a question for each principle, order and judge, and the vote that its answer becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from constitutional.api import Pair, Principle, Range, RowContext, Vote, derived_row_id, exactly, row_random
from constitutional.builtin.labellers.judging import Answer, Judge, JudgeParams, drawn, judges
from constitutional.builtin.templates import template_label

Order: TypeAlias = Literal["ab", "ba"]


class PairParams(JudgeParams):
    """Parameters of a labeller that puts two answers side by side."""

    orders: Literal["both", "random", "fixed"] = "both"
    """Ask in both orders; in one drawn by chance; or always with the pair's first answer first (biased)."""
    options: tuple[str, str] = ("A", "B")
    """The judge's words for the answer shown first and the one shown second, as the template has them."""


def orders(params: Any) -> Range:
    """In how many orders a pair is put."""
    return exactly(2 if params.orders == "both" else 1)


class Question(NamedTuple):
    """One question: by which principle, which answer stands first, who is asked, and the how-manieth time."""

    principle: Principle
    order: Order
    judge: Judge
    sample: int = 0

    def shown(self, row: Pair) -> tuple[str, str]:
        """The answers in the order in which the judge sees them."""
        return (row.first, row.second) if self.order == "ab" else (row.second, row.first)

    @property
    def identity(self) -> dict[str, Any]:
        """What tells this question about a pair from the others."""
        asked = {"principle": self.principle.id, "order": self.order, "judge": self.judge.label}
        return asked | {"sample": self.sample} if self.sample else asked


def questions(row: Pair, params: Any, path: str, ctx: RowContext, samples: int = 1) -> list[Question]:
    """Every question about a pair; one more principle adds its questions at the end."""
    asked = judges(ctx)
    return [Question(principle, order, judge, sample)
            for principle in drawn(params, ctx, ctx.constitution) for order in _orders(row, params, path, ctx, principle)
            for judge in asked for sample in range(samples)]  # fmt: skip


def _orders(row: Pair, params: Any, path: str, ctx: RowContext, principle: Principle) -> Sequence[Order]:
    if params.orders == "both":
        return ("ab", "ba")
    if params.orders == "fixed":
        return ("ab",)
    return ("ab",) if tossed(ctx, f"{path}/order/{principle.id}", row.row_id) else ("ba",)


def tossed(ctx: RowContext, path: str, row_id: str) -> bool:
    """A coin that belongs to a row and a question."""
    return row_random(ctx.seed, path, row_id).random() < 0.5


def votes(row: Pair, path: str, asked: Sequence[Question], said: Sequence[Answer], template: str) -> list[Vote]:
    """The vote that each answer becomes, whatever it says."""
    return [_vote(row, path, index, question, answer, template)
            for index, (question, answer) in enumerate(zip(asked, said, strict=True))]  # fmt: skip


def _vote(row: Pair, path: str, index: int, asked: Question, said: Answer, template: str) -> Vote:
    made = row.derive(
        Vote, path, index, pair=row.row_id, p_first=said.value, mass=said.mass, abstained=said.abstained, raw=said.raw,
        principle=asked.principle.id, order=asked.order, judge=asked.judge.label, sample=asked.sample,
        weight=asked.principle.weight, template=template_label(template),
    )  # fmt: skip
    # The id stands for the question: the last bits of an answer may differ between batches, and must not move rows.
    return replace(made, row_id=derived_row_id(path, made.parents, index, asked.identity))
