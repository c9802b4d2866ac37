"""Few-shot examples: each is put with the very template of the question, and answered by the turn that follows.

So they work with every template, and whoever writes a prompt of his own has its few-shot form with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from constitutional.api import (
    Constitution,
    Messages,
    Params,
    Principle,
    RowContext,
    Stage,
    UserError,
    assistant,
    transcript,
    user,
)
from constitutional.builtin.labellers.judging import to_draw_from
from constitutional.builtin.principles import selected


class Shot(Params):
    """An example of a comparison; which answer is shown first is balanced over the examples."""

    prompt: str
    """What the user said."""
    better: str
    """The answer that follows the principle better."""
    worse: str
    """The other answer."""
    principle: str | None = None
    """The id of the principle that the example is about; left out, it is shown with the one that is asked about."""


class ReasonedShot(Shot):
    """An example of a comparison with its reasoning."""

    reasoning: str
    """Why; call the answers by their texts, since either may be shown first."""


class RatedShot(Params):
    """An example of a judgment of one answer."""

    prompt: str
    """What the user said."""
    response: str
    """What was answered."""
    answer: str
    """What the judge should say: one of its options."""
    principle: str | None = None
    """The id of the principle that the example is about; left out, it is shown with the one that is asked about."""


class StepShot(RatedShot):
    """An example of a judgment of one step; `response` is that step."""

    before: tuple[str, ...] = ()
    """The steps before it."""


class Example(NamedTuple):
    """What a template is given for one example, and what was answered."""

    values: Mapping[str, Any]
    answer: str


class WithShots(Stage):
    """A labeller that asks a judge by drawn principles, after examples where there are some: what it sees."""

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """Those that can be drawn or are shown.  Raises `UserError` where there are none, or none with examples."""
        return seen(params, constitution)

    @classmethod
    def sees_examples(cls, params: Any) -> bool:
        return isinstance(params.shots, int) and params.shots > 0


def not_options(shots: Sequence[RatedShot], options: Sequence[str]) -> Iterable[str]:
    """A sentence for the user for each example whose answer is none of the options."""
    for shot in shots:
        if shot.answer not in options:
            yield f"the `answer` of an example is `{shot.answer}`, not one of {' and '.join(options)}"


def compared(shots: Sequence[Any], asked: Principle, options: Sequence[str], constitution: Constitution,
             swapped: bool) -> list[tuple[Any, Example]]:  # fmt: skip
    """Comparisons in which the better answer stands first and second by turns.

    `swapped` says which comes first.  A question and the same one in the other order get mirrored examples, so that
    a liking for places that examples teach cancels where both orders are averaged.
    """
    made = []
    for index, shot in enumerate(shots):
        better_first = (index % 2 == 0) != swapped
        first, second = (shot.better, shot.worse) if better_first else (shot.worse, shot.better)
        values = {"transcript": said_by_user(shot.prompt), "first": first, "second": second,
                  "principle": about(shot, asked, constitution).to_json()}  # fmt: skip
        made.append((shot, Example(values, options[0 if better_first else 1])))
    return made


def said_by_user(prompt: str) -> str:
    """A prompt as the transcript that judges see."""
    return transcript((user(prompt),))


def about(shot: Any, asked: Principle, constitution: Constitution) -> Principle:
    """The principle that an example is shown with."""
    named = getattr(shot, "principle", None)
    return asked if named is None else constitution[named]


def few_shot(ctx: RowContext, template: str, examples: Sequence[Example], **values: object) -> Messages:
    """Examples, each a question with its answer, and then the question; a system message stands at the beginning alone."""
    turns: list[Any] = []
    for example in examples:
        turns += [*ctx.render(template, **example.values), assistant(example.answer)]
    return joined(turns, ctx.render(template, **values))


def joined(before: Sequence[Any], question: Messages) -> Messages:
    """A dialogue after others like it, without their system messages in its midst."""
    turns = [*before, *question]
    return tuple(turn for at, turn in enumerate(turns) if turn.role != "system" or turn not in turns[:at])


def own_examples(principle: Principle, most: int) -> Sequence[Any]:
    """The principle's own examples, the first ones."""
    return principle.examples[:most]


def seen(params: Any, constitution: Constitution) -> Sequence[Principle]:
    """All principles that can change what a judge is shown: those that can be drawn, and those of the examples.

    Raises:
        UserError: if there are none; if an example names an unknown one; or if a principle without examples of its own
            would be asked about, where those are to be shown.
    """
    drawable = to_draw_from(params, constitution)
    shots = params.shots
    if isinstance(shots, int):
        bare = [p.id for p in drawable if shots and not p.examples]
        if bare:
            raise UserError(f"`shots: {shots}` shows the principles' own examples, and `{bare[0]}` has none",
                            help="give it `examples:` in the constitution, or write the examples under `shots:`")  # fmt: skip
        return drawable
    known = {p.id: p for p in drawable}
    for shot in shots:
        if shot.principle is not None and shot.principle not in known:
            (known[shot.principle],) = selected(constitution, ids=[shot.principle])
    return tuple(known.values())
