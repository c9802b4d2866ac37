"""Reasons first, then probabilities; what is no reasoning is no verdict."""

import json
import math
from collections.abc import Callable

import pytest

from constitutional.api import ChoiceRequest, Completion, Pair, Request, Unanswered, user
from constitutional.builtin.labellers import ChainOfThought
from tests.stages_support import Asked, Said, constitution, principle, process

BOOK = constitution(*(principle(f"p{i}") for i in range(3)))
PAIR = Pair(row_id="pair", prompt=(user("hi"),), first="good", second="bad", models=("m", "m"))


def stage(**params: object) -> ChainOfThought:
    return ChainOfThought(ChainOfThought.Params(**params))  # type: ignore[arg-type]


def judge(reasons: Said = "the first reply is kind", p_good: float = 0.99) -> Callable[[Asked], Said]:
    def rule(asked: Asked) -> Said:
        if isinstance(asked.request, Request):
            return reasons
        good_first = asked.values["question"][-1].content.index("good") < asked.values["question"][-1].content.index(
            "bad"
        )
        p = p_good if good_first else 1 - p_good
        return (math.log(p), math.log(1 - p))

    return rule


def test_the_answer_is_read_given_the_reasoning() -> None:
    asked: list[Asked] = []
    process(stage(), PAIR, lambda one: (asked.append(one), judge()(one))[1], BOOK)
    texts = [one for one in asked if isinstance(one.request, Request)]
    choices = [one for one in asked if isinstance(one.request, ChoiceRequest)]
    assert (len(texts), len(choices)) == (2, 2)
    for one in choices:
        question, reasons, answer = one.request.messages
        assert question.content in {text.request.messages[0].content for text in texts}
        assert (reasons.role, reasons.content) == ("assistant", "the first reply is kind")
        assert answer.role == "user"
        assert one.request.options == ("A", "B")


def test_the_probability_is_clamped_and_kept_as_it_was() -> None:
    ab, ba = process(stage(), PAIR, judge(), BOOK)
    assert (ab.p_first, ba.p_first) == (0.6, 0.4)
    raw = json.loads(ab.raw)
    assert raw["p_first"] == pytest.approx(0.99)
    assert raw["reasoning"] == "the first reply is kind"
    assert raw["A"] == pytest.approx(math.log(0.99))


def test_without_a_clamp_it_is_as_it_was() -> None:
    ab, ba = process(stage(clamp=None), PAIR, judge(), BOOK)
    assert (ab.p_first, ba.p_first) == (pytest.approx(0.99), pytest.approx(0.01))
    ab, _ = process(stage(clamp=(0.2, 0.8)), PAIR, judge(p_good=0.7), BOOK)
    assert ab.p_first == pytest.approx(0.7)


def test_each_sample_is_a_vote() -> None:
    asked: list[Asked] = []
    votes = process(stage(samples=3, temperature=0.8), PAIR, lambda one: (asked.append(one), judge()(one))[1], BOOK)
    assert [(vote.order, vote.sample) for vote in votes] == [(o, s) for o in ("ab", "ba") for s in range(3)]
    assert len({vote.row_id for vote in votes}) == 6
    assert sorted(one.request.sample for one in asked if isinstance(one.request, Request)) == [0, 0, 1, 1, 2, 2]
    assert len({one.seed for one in asked if isinstance(one.request, Request)}) == 3


def test_more_samples_keep_the_votes_of_a_question() -> None:
    one = process(stage(orders="fixed", samples=1, temperature=1.0), PAIR, judge(), BOOK)
    two = process(stage(orders="fixed", samples=2, temperature=1.0), PAIR, judge(), BOOK)
    assert two[:1] == one


@pytest.mark.parametrize(("said", "reason"), [
    (Completion("the first reply is", "length"), "reasoning cut off"), (Completion("hm", "content_filter"), "content_filter"),
    ("", "empty reasoning"), (" \n", "empty reasoning"), ("I'm sorry, but I can't help with that.", "refused"),
    ("I cannot compare these replies.", "refused"), ("As an AI language model, I can't judge people.", "refused"),
])  # fmt: skip
def test_what_is_no_reasoning_is_an_abstention_and_asks_no_further(said: Said, reason: str) -> None:
    asked: list[Asked] = []
    votes = process(stage(), PAIR, lambda one: (asked.append(one), judge(said)(one))[1], BOOK)
    assert {(vote.p_first, vote.abstained) for vote in votes} == {(None, reason)}
    assert all(isinstance(one.request, Request) for one in asked)
    text = said.text if isinstance(said, Completion) else said
    assert all(json.loads(vote.raw) == {"reasoning": text} for vote in votes)


@pytest.mark.parametrize("said", [
    "I cannot say that A is kinder than B, but", "Sorrow is shown in (A).", "The reply is a refusal: I'm sorry, I can't help.",
])  # fmt: skip
def test_reasons_about_refusals_are_reasons(said: str) -> None:
    assert all(vote.abstained is None for vote in process(stage(), PAIR, judge(said), BOOK))


def test_one_sample_that_is_cut_off_silences_no_other() -> None:
    def rule(asked: Asked) -> Said:
        cut = isinstance(asked.request, Request) and asked.request.sample == 1
        return Completion("because", "length") if cut else judge()(asked)

    votes = process(stage(samples=2, temperature=1.0), PAIR, rule, BOOK)
    assert [vote.abstained for vote in votes] == [None, "reasoning cut off"] * 2


def test_a_judge_that_reasons_and_does_not_answer_is_unscored() -> None:
    def rule(asked: Asked) -> Said:
        return "because" if isinstance(asked.request, Request) else Unanswered("unparseable", "Both are fine")

    with pytest.raises(Unanswered, match="unparseable"):
        process(stage(), PAIR, rule, BOOK)


def test_examples_show_how_to_reason() -> None:
    shots = [
        {"prompt": f"ask {i}", "better": f"good {i}", "worse": f"bad {i}", "reasoning": f"because {i}"}
        for i in range(2)
    ]
    seen: list[Asked] = []
    process(stage(shots=shots, orders="fixed"), PAIR, lambda one: (seen.append(one), judge()(one))[1], BOOK)
    reasoning, answer = (one.request.messages for one in seen)
    assert [turn.role for turn in reasoning] == ["user", "assistant", "user", "assistant"] * 2 + ["user"]
    assert [turn.content for turn in reasoning[1::4]] == ["because 0", "because 1"]
    assert {turn.content for turn in reasoning[3::4]} == {"A", "B"}
    assert answer[: len(reasoning)] == reasoning


def test_parameters_that_contradict() -> None:
    def said(**params: object) -> list[str]:
        return list(ChainOfThought.check(ChainOfThought.Params(**params)))  # type: ignore[arg-type]

    assert not said()
    assert said(samples=2)
    assert said(clamp=(0.6, 0.4))
    assert said(clamp=(-0.1, 0.5))
    assert said(options=("A", "A"))
    with pytest.raises(ValueError, match="regular expression"):
        ChainOfThought.Params(refusal="(")
