"""Records: frozen, with TRL's columns, the same after a journey through JSON and Parquet."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.errors import DataError
from constitutional.ports import fits, widen
from constitutional.records import (
    RECORDS,
    Critique,
    Demonstration,
    Pair,
    Preference,
    Prompt,
    Record,
    Response,
    Round,
    Vote,
    messages,
    transcript,
    trl_row,
    user,
)
from constitutional.store.columns import read_rows, schema, write_rows

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
DIALOGUE = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), TEXT), min_size=1, max_size=3).map(
    lambda turns: messages([{"role": role, "content": content} for role, content in turns])
)
ROUND = st.builds(Round, TEXT, TEXT, TEXT, st.none() | TEXT, TEXT, st.none() | TEXT)
RESPONSE = st.builds(
    Response, row_id=TEXT, parents=st.lists(TEXT).map(tuple), prompt=DIALOGUE, completion=TEXT, model=TEXT,
    rounds=st.lists(ROUND, max_size=2).map(tuple), flags=st.lists(TEXT, max_size=2).map(tuple),
    meta=st.dictionaries(TEXT, st.integers() | TEXT, max_size=2),
)  # fmt: skip


@given(RESPONSE)
def test_a_record_returns_equal_from_json(row):
    assert Response.from_row(json.loads(json.dumps(row.to_row()))) == row
    assert Response.from_row(json.loads(json.dumps(trl_row(row)))) == row


@given(st.lists(RESPONSE, max_size=5))
def test_records_return_equal_from_parquet(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    assert write_rows(path, Response, rows) == len(rows)
    assert list(read_rows(path, Response)) == rows


@pytest.mark.parametrize("record", RECORDS)
def test_every_record_has_a_schema_and_a_port_of_its_own(record):
    assert "row_id" in schema(record).names
    assert [r.port for r in RECORDS].count(record.port) == 1


def test_completions_at_rest_are_conversational():
    row = trl_row(Preference(row_id="a", prompt=(user("hi"),), chosen="yes", rejected="no"))
    assert row["prompt"] == [{"role": "user", "content": "hi"}]
    assert row["chosen"] == [{"role": "assistant", "content": "yes"}]


def test_deriving_keeps_shared_columns_and_links_to_the_parent():
    prompt = Prompt(row_id="p", prompt=(user("hi"),), meta={"category": "x"})
    made = prompt.derive(Response, "generator/sample", 0, completion="yes", model="m")
    assert (made.parents, made.prompt, made.meta) == (("p",), prompt.prompt, {"category": "x"})
    assert made.row_id != prompt.derive(Response, "generator/sample", 1, completion="yes", model="m").row_id
    assert made.row_id != prompt.derive(Response, "generator/sample", 0, completion="no", model="m").row_id
    assert made.row_id == prompt.derive(Response, "generator/sample", 0, completion="yes", model="m").row_id


@pytest.mark.parametrize("bad", [[], [{"role": "oracle", "content": "x"}], [{"role": "user"}], 5, [5], None])
def test_a_dialogue_of_the_wrong_shape_is_refused(bad):
    with pytest.raises(DataError):
        messages(bad)


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="completion"):
        Response.from_row({"row_id": "a", "prompt": "hi"})


def test_transcript_is_a_line_a_turn():
    assert (
        transcript(messages([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]))
        == "User: a\nAssistant: b"
    )


@pytest.mark.parametrize(
    ("given_", "taken", "ok"),
    [(Response, Demonstration, True), (Prompt, Demonstration, True), (Response, Prompt, True), (Vote, Record, True),
     (Critique, Response, False), (Pair, Vote, False), (Demonstration, Response, False)],
)  # fmt: skip
def test_what_fits_where(given_, taken, ok):
    assert fits(given_, taken) is ok


def test_widening_a_prompt_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="no `completion`"):
        widen(Prompt(row_id="a", prompt=(user("hi"),)), Demonstration)


def test_widening_keeps_the_row():
    row = Response(row_id="a", prompt=(user("hi"),), completion="yes", meta={"k": 1})
    made = widen(row, Demonstration)
    assert (made.row_id, made.completion, made.meta) == ("a", "yes", {"k": 1})
