"""From columns to records: what is read, what rides along, and ids that stay."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import DataError, Demonstration, Preference, Prompt, Record, Score, Vote, assistant, user
from constitutional.rows import to_record

DIALOGUE = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def made(rows: list[Any], record: type[Record] = Prompt) -> list[Any]:
    return list(to_record(rows, record))


def ids(rows: list[Any]) -> list[str]:
    return [row.row_id for row in made(rows)]


def test_a_text_is_one_turn_of_the_user() -> None:
    assert made([{"prompt": "hello"}])[0].prompt == (user("hello"),)


def test_a_dialogue_is_read_turn_by_turn() -> None:
    assert made([{"prompt": DIALOGUE + DIALOGUE[:1]}])[0].prompt == (user("hello"), assistant("hi"), user("hello"))


def test_messages_are_a_prompt_and_a_last_answer() -> None:
    row = made([{"messages": DIALOGUE}])[0]
    assert (row.prompt, row.completion) == ((user("hello"),), "hi")


def test_messages_without_an_answer_are_a_prompt() -> None:
    row = made([{"messages": DIALOGUE[:1]}])[0]
    assert (row.prompt, row.completion) == ((user("hello"),), None)


@pytest.mark.parametrize("completion", ["hi", DIALOGUE[1:]])
def test_prompt_and_completion_in_both_forms(completion: Any) -> None:
    assert made([{"prompt": "hello", "completion": completion}])[0].completion == "hi"
    assert made([{"prompt": "hello", "completion": completion}], Demonstration)[0].completion == "hi"


@pytest.mark.parametrize(
    "answers", [("a", "b"), ([{"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "b"}])]
)
def test_preferences_in_both_forms(answers: Any) -> None:
    row = made([{"prompt": "hello", "chosen": answers[0], "rejected": answers[1], "p_chosen": 0.75}], Preference)[0]
    assert (row.prompt, row.chosen, row.rejected, row.p_chosen) == ((user("hello"),), "a", "b", 0.75)


def test_preferences_whose_answers_hold_the_whole_dialogue_are_taken_apart() -> None:
    chosen, rejected = DIALOGUE, [DIALOGUE[0], {"role": "assistant", "content": "go away"}]
    row = made([{"chosen": chosen, "rejected": rejected}], Preference)[0]
    assert (row.prompt, row.chosen, row.rejected) == ((user("hello"),), "hi", "go away")


def test_preferences_whose_dialogues_differ_before_the_answer_are_refused() -> None:
    with pytest.raises(DataError, match=r"row 1.*same prompt"):
        made([{"chosen": DIALOGUE, "rejected": [user("other").to_json(), DIALOGUE[1]]}], Preference)


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan, math.inf, "0.7", True])
def test_a_probability_that_is_none_is_refused(p: Any) -> None:
    with pytest.raises(DataError, match="row 1"):
        made([{"prompt": "x", "chosen": "a", "rejected": "b", "p_chosen": p}], Preference)


def test_other_columns_ride_along() -> None:
    row = made([{"prompt": "hello", "topic": "greeting", "n": 3, "nested": {"a": [1, None]}}])[0]
    assert row.meta == {"topic": "greeting", "n": 3, "nested": {"a": [1, None]}}


def test_columns_that_records_make_for_themselves_are_not_taken_from_data() -> None:
    row = made([{"prompt": "hello", "row_id": "mine", "parents": ["x"], "meta": "{}"}])[0]
    assert row.row_id != "mine"
    assert row.parents == ()
    assert row.meta == {}


def test_rows_with_the_same_content_have_ids_of_their_own() -> None:
    found = ids([{"prompt": "a"}] * 3 + [{"prompt": "b"}])
    assert len(set(found)) == 4


@given(
    st.lists(st.fixed_dictionaries({"prompt": st.text(max_size=5), "n": st.integers(0, 3)}), max_size=12),
    st.integers(0, 12),
)
def test_rows_that_are_appended_leave_ids_as_they_were(rows: list[Any], count: int) -> None:
    whole = ids(rows)
    assert ids(rows[:count]) == whole[:count]
    assert len(set(whole)) == len(whole)


def test_a_row_keeps_its_id_wherever_it_stands() -> None:
    one, two = {"prompt": "a"}, {"prompt": "b"}
    assert ids([one, two]) == ids([two, one])[::-1]


BROKEN: dict[str, tuple[Any, str]] = {
    "no prompt": ({"question": "hello"}, r"columns: question"),
    "no columns": ({}, r"columns: none"),
    "prompt is null": ({"prompt": None}, ""),
    "prompt is a number": ({"prompt": 3}, ""),
    "prompt is an empty list": ({"prompt": []}, ""),
    "a turn without content": ({"prompt": [{"role": "user"}]}, ""),
    "a turn with null content": ({"prompt": [{"role": "user", "content": None}]}, ""),
    "a turn with a list of parts": ({"prompt": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, ""),
    "a role that is none": ({"prompt": [{"role": "robot", "content": "x"}]}, "robot"),
    "a turn that is a text": ({"prompt": ["hello"]}, ""),
    "messages are a text": ({"messages": 3}, ""),
    "messages are empty": ({"messages": []}, ""),
    "the completion is a number": ({"prompt": "x", "completion": 3}, "completion"),
    "the completion is of the user": ({"prompt": "x", "completion": DIALOGUE[:1]}, "completion"),
    "NaN": ({"prompt": "x", "score": math.nan}, ""),
    "a column that is no JSON": ({"prompt": "x", "image": b"\x00"}, "image"),
    "half a character": ({"prompt": "\ud800"}, ""),
    "half a character deeper": ({"prompt": "x", "meta2": {"a": ["\udfff"]}}, ""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_row_is_named_by_its_number(case: str) -> None:
    row, said = BROKEN[case]
    with pytest.raises(DataError, match=f"(?s)row 2.*{said}"):
        made([{"prompt": "fine"}, row])


def test_dates_of_parquet_ride_along_as_text() -> None:
    from datetime import date, datetime
    from decimal import Decimal

    row = made([{"prompt": "x", "day": date(2026, 1, 2), "at": datetime(2026, 1, 2, 3, 4), "price": Decimal("1.50")}])[
        0
    ]
    assert row.meta == {"day": "2026-01-02", "at": "2026-01-02T03:04:00", "price": "1.50"}


@pytest.mark.parametrize("said", [7, -0.1, "high", True])
def test_what_is_no_probability_is_refused_with_its_row(said: Any) -> None:
    vote = {"prompt": "hi", "first": "a", "second": "b", "pair": "p", "principle": "kind", "order": "ab", "judge": "j"}
    assert made([{**vote, "p_first": None}, {**vote, "p_first": 1}], Vote)[1].p_first == 1
    with pytest.raises(DataError, match="row 2: `p_first` is no probability"):
        made([{**vote, "p_first": 0.5}, {**vote, "p_first": said}], Vote)
    with pytest.raises(DataError, match="row 1: `score`"):
        made([{"prompt": "hi", "completion": "a", "score": said}], Score)
