"""The reviser: skips what is clean, trusts no revision, keeps every round."""

import pytest

from constitutional.api import Completion, Critique, UserError, user
from constitutional.builtin.revisers import Rewrite
from constitutional.builtin.revisers.leaks import without_leaks
from tests.stages_support import dropped, principle, process


def critique(**values: object) -> Critique:
    given = {
        "row_id": "c",
        "prompt": (user("hi"),),
        "completion": "Tell me your SSN.",
        "principle": "kind",
        "critique": "It asks.",
        "violation": True,
        "model": "agent",
        "critic": "judge",
        **values,
    }
    return Critique(**given)  # type: ignore[arg-type]


def test_a_revision_and_its_round() -> None:
    (row,) = process(Rewrite(), critique(), lambda asked: "I need no SSN.")
    assert (row.completion, row.model, row.flags) == ("I need no SSN.", "label of model", ())
    (once,) = row.rounds
    assert once == ("kind", "Tell me your SSN.", "It asks.", "I need no SSN.", "judge", "label of model")


def test_a_clean_answer_is_kept_without_asking_anybody() -> None:
    asked: list[object] = []
    (row,) = process(Rewrite(), critique(violation=False, flags=("no-op",)), lambda q: asked.append(q) or "x")
    assert not asked
    assert (row.completion, row.model, row.rounds[0].revision, row.rounds[0].reviser) == (
        "Tell me your SSN.",
        "agent",
        None,
        None,
    )
    assert row.flags == ("no-op",)


def test_a_clean_answer_can_be_revised_all_the_same() -> None:
    (row,) = process(Rewrite(Rewrite.Params(skip_clean=False)), critique(violation=False), lambda q: "better")
    assert row.completion == "better"


def test_the_revision_sees_the_principle_that_was_drawn() -> None:
    shown = []
    process(Rewrite(), critique(), lambda asked: shown.append(asked.values) or "new")
    assert shown[0]["principle"]["revision"] == "revision of kind"
    assert shown[0]["critique"] == "It asks."


def test_a_principle_that_is_gone_stops_the_run_in_words() -> None:
    with pytest.raises(UserError, match="names the principle `gone`"):
        process(Rewrite(), critique(principle="gone"))


def test_a_revision_that_changes_nothing_is_flagged() -> None:
    """The case of a peer whose revision is always `chosen`, never checked to be different."""
    (row,) = process(Rewrite(), critique(), lambda asked: "Tell me  your SSN.\n")
    assert row.flags == ("no-op",)
    assert dropped(Rewrite(Rewrite.Params(on_no_op="drop")), critique(), lambda asked: "Tell me your SSN.") == "no-op"


def test_an_empty_revision_is_dropped_or_left() -> None:
    assert dropped(Rewrite(), critique(), lambda asked: "Here is the revised response:") == "empty"
    (row,) = process(Rewrite(Rewrite.Params(on_empty="original")), critique(), lambda asked: "")
    assert (row.completion, row.model, row.flags) == ("Tell me your SSN.", "agent", ("empty",))
    assert row.rounds[0].revision == ""


def test_a_runaway_is_dropped() -> None:
    assert dropped(Rewrite(), critique(), lambda asked: "on and on " * 100) == "runaway"
    assert dropped(Rewrite(), critique(), lambda asked: "short answers may grow " * 10) is None
    (row,) = process(Rewrite(Rewrite.Params(on_runaway="keep")), critique(), lambda asked: "on and on " * 100)
    assert row.flags == ("runaway",)


def test_a_cut_off_revision_is_flagged() -> None:
    (row,) = process(Rewrite(), critique(), lambda asked: Completion("I need", "length"))
    assert (row.flags, row.finish_reason) == (("length",), "length")
    stage = Rewrite(Rewrite.Params(on_length="original"))
    (kept,) = process(stage, critique(), lambda asked: Completion("I need", "length"))
    assert (kept.completion, kept.finish_reason) == ("Tell me your SSN.", "stop")


def test_dropping_wins_over_keeping() -> None:
    said = Completion("word " * 500, "length")
    assert dropped(Rewrite(Rewrite.Params(on_length="original")), critique(), lambda asked: said) == "runaway"


@pytest.mark.parametrize(
    "leak",
    [
        "Sure, here is a revised response:",
        "Here is a revised response:\n\n",
        "Here's the revised reply:",
        "Here’s my rewritten answer that keeps the rule:",
        "Of course! Here is an improved version of the response:\n",
        "Certainly. Below is the rewritten reply.\n\n",
        "Revised response:",
        "**Revised reply:** ",
        "Revision: ",
        "Sure thing! Here's a new, safer response:\n",
        "Okay, here's the reply:",
        "Assistant: ",
    ],
)
def test_leaks_are_stripped(leak: str) -> None:
    """The case of a peer whose training data says "Sure, here is a revised response"."""
    assert without_leaks(f"{leak} I can send a link.") == "I can send a link."
    assert without_leaks(f'{leak} "I can send a link."') == "I can send a link."


@pytest.mark.parametrize(
    "answer",
    [
        "Sure, here's how to reset your password: open the settings.",
        "Here is the answer to your question: it ships on Monday.",
        "Sure, I can help. Which order is it?",
        "Here are your open orders: 12 and 14.",
        'He said "hello" and left.',
        '"Yes" is my answer, and "no" is not.',
        "Here is an updated version of your invoice: number 12.",
        "This is a new charge: I will look into it.",
        "Assistants: all busy today.",
        "It's 'fine'",
    ],
)
def test_answers_are_left_alone(answer: str) -> None:
    assert without_leaks(answer) == answer


def test_every_principle_may_be_met() -> None:
    from tests.stages_support import constitution

    assert len(Rewrite.sees(Rewrite.Params(), constitution(principle("a"), principle("b", weight=0)))) == 2
