"""Sampling: the randomness belongs to the row, and a pair's order to chance alone."""

import pytest

from constitutional.api import Completion, Message, Unanswered
from constitutional.builtin.generators import PairGenerator, Sample
from constitutional.builtin.generators.sampling import dialogue
from tests.stages_support import Asked, dropped, process, prompt


def by_sample(asked: Asked) -> str:
    return f"answer {asked.request.sample}"


def test_each_sample_is_its_own_request_and_more_samples_change_none() -> None:
    two = process(Sample(Sample.Params(n=2)), prompt(), by_sample)
    four = process(Sample(Sample.Params(n=4)), prompt(), by_sample)
    assert [row.completion for row in two] == ["answer 0", "answer 1"]
    assert [row.row_id for row in four[:2]] == [row.row_id for row in two]
    assert len({row.row_id for row in four}) == 4


def test_answers_carry_where_they_come_from() -> None:
    (row,) = process(Sample(), prompt(category="x"), lambda asked: Completion("cut", "length"))
    assert (row.model, row.finish_reason, row.parents, row.meta) == (
        "label of model",
        "length",
        ("p-hello",),
        {"category": "x"},
    )


def test_cut_off_answers_can_be_dropped() -> None:
    stage = Sample(Sample.Params(n=2, on_length="drop"))
    rows = process(stage, prompt(), lambda asked: Completion("t", "length" if asked.request.sample else "stop"))
    assert [row.sample for row in rows] == [0]
    assert dropped(stage, prompt(), lambda asked: Completion("t", "length")) == "cut off at max_new_tokens"


def test_an_empty_answer_is_flagged() -> None:
    (row,) = process(Sample(), prompt(), lambda asked: "  \n")
    assert row.flags == ("empty",)


def test_unanswered_passes_and_the_other_samples_were_asked() -> None:
    asked: list[int] = []

    def rule(question: Asked) -> str | Unanswered:
        asked.append(question.request.sample)
        return Unanswered("timeout") if question.request.sample == 0 else "fine"

    with pytest.raises(Unanswered, match="timeout"):
        process(Sample(Sample.Params(n=3)), prompt(), rule)
    assert asked == [0, 1, 2]


def test_the_system_message_is_asked_but_not_kept() -> None:
    stage = Sample(Sample.Params(system="Be kind."))
    shown = []
    (row,) = process(stage, prompt(), lambda asked: shown.append(asked.request.messages) or "ok")
    assert shown[0][0] == Message("system", "Be kind.")
    assert [turn.role for turn in row.prompt] == ["user"]


def test_the_system_message_replaces_another() -> None:
    row = prompt()
    old = type(row)(row_id="x", prompt=(Message("system", "old"), *row.prompt))
    assert [turn.content for turn in dialogue(old, "new")] == ["new", "hello"]


def test_several_samples_at_temperature_zero_are_a_mistake() -> None:
    assert list(Sample.check(Sample.Params(n=2, temperature=0)))
    assert not list(Sample.check(Sample.Params(n=1, temperature=0)))
    assert list(PairGenerator.check(PairGenerator.Params(temperature=0)))


def test_position_and_temperature_are_never_confounded() -> None:
    """The case of a peer that shows candidates in the order of their temperatures."""
    temperatures, first_made = set(), 0
    for index in range(400):
        row = prompt(f"prompt {index}")
        (pair,) = process(
            PairGenerator(), row, lambda asked: temperatures.add(asked.request.temperature) or by_sample(asked)
        )
        first_made += pair.first == "answer 0"
    assert temperatures == {1.0}
    assert 160 <= first_made <= 240


def test_a_pair_is_the_same_whenever_it_is_made() -> None:
    assert process(PairGenerator(), prompt(), by_sample) == process(PairGenerator(), prompt(), by_sample)


def test_identical_answers_are_sampled_again_then_dropped() -> None:
    row, stage = prompt(), PairGenerator()
    (pair,) = process(stage, row, lambda asked: "other" if asked.request.sample == 3 else "same")
    assert {pair.first, pair.second} == {"same", "other"}
    assert dropped(stage, row, lambda asked: " same " if asked.request.sample else "same") == "identical"


def test_identical_answers_can_be_kept() -> None:
    stage = PairGenerator(PairGenerator.Params(tries=0, on_identical="keep"))
    (pair,) = process(stage, prompt(), lambda asked: "same")
    assert pair.first == pair.second == "same"


def test_a_pair_with_a_cut_off_answer_can_be_dropped() -> None:
    stage = PairGenerator(PairGenerator.Params(on_length="drop"))
    assert dropped(stage, prompt(), lambda asked: Completion(by_sample(asked), "length")) == "cut off at max_new_tokens"


def test_unknown_parameters_are_errors() -> None:
    with pytest.raises(ValueError, match="temprature"):
        Sample.Params(temprature=1.0)
