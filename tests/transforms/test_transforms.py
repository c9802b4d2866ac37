"""Row operations: everything adds up, ids stay, and appending rows moves none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import MAIN, Outputs, Pair, Record, Response, Round, UserError, WholeStage
from constitutional.builtin.transforms import TRANSFORMS, Concat, Dedupe, Filter, Mix, PairUp, SampleRows, Split
from constitutional.builtin.transforms.mix import apportioned
from tests.stages_support import Memory, Script, adds_up, dropped, prompt, response


def run(stage: WholeStage, *parts: Sequence[Record], port: str = "rows") -> tuple[dict[str, list[Any]], Outputs]:
    inputs = Memory({port: parts})
    outputs = stage.run(inputs, Script(Path()))
    assert adds_up(outputs, inputs, port)
    assert set(outputs.rows) == set(type(stage).gives(stage.params))
    return {name: list(rows) for name, rows in outputs.rows.items()}, outputs


def prompts(count: int, start: int = 0) -> list[Record]:
    return [prompt(f"prompt {i}", row_id=f"id{i}") for i in range(start, start + count)]


def ids(rows: Sequence[Record]) -> list[str]:
    return [row.row_id for row in rows]


# -- concat, split, sample -------------------------------------------------------------------------------------------


def test_concat_keeps_rows_as_they_are() -> None:
    made, outputs = run(Concat(), prompts(2), [], prompts(2, 2))
    assert made[MAIN] == prompts(4)
    assert not outputs.fates


def test_split_covers_all_rows_once() -> None:
    made, _ = run(Split(Split.Params(parts={"a": 0.5, "b": 0.5})), prompts(1000))
    assert sorted(ids(made["a"] + made["b"])) == sorted(ids(prompts(1000)))
    assert 430 < len(made["a"]) < 570
    assert set(Split.gives(Split.Params(parts={"a": 0.5, "b": 0.5}))) == {"a", "b"}


@given(st.integers(0, 40), st.integers(0, 40))
def test_appending_rows_moves_none(before: int, more: int) -> None:
    stage = Split(Split.Params(parts={"a": 0.3, "b": 0.3}))
    short, long = run(stage, prompts(before))[0], run(stage, prompts(before + more))[0]
    for name in ("a", "b"):
        assert long[name][: len(short[name])] == short[name]


def test_growing_a_part_keeps_its_rows() -> None:
    small = run(Split(Split.Params(parts={"a": 0.3, "b": 0.7})), prompts(200))[0]["a"]
    large = run(Split(Split.Params(parts={"a": 0.5, "b": 0.5})), prompts(200))[0]["a"]
    assert set(ids(small)) < set(ids(large))


def test_what_is_in_no_part_is_counted() -> None:
    _, outputs = run(Split(Split.Params(parts={"a": 0.25})), prompts(100))
    assert outputs.fates["dropped", "in no part"] > 50
    assert list(Split.check(Split.Params(parts={"a": 0.6, "b": 0.6})))
    assert not list(Split.check(Split.Params(parts={f"p{i}": 0.1 for i in range(10)})))


def test_a_second_split_is_not_the_first_again() -> None:
    half = run(Split(Split.Params(parts={"a": 0.5, "b": 0.5})), prompts(400))[0]["a"]
    again = run(Split(Split.Params(parts={"c": 0.5, "d": 0.5})), half)[0]
    salted = run(Split(Split.Params(parts={"a": 0.5, "b": 0.5}, salt="2")), half)[0]
    assert min(len(again["c"]), len(again["d"]), len(salted["a"]), len(salted["b"])) > 60


def test_rows_of_one_prompt_can_stay_together() -> None:
    rows = [response(f"answer {i}", ask=f"prompt {i % 10}") for i in range(100)]
    made, _ = run(Split(Split.Params(parts={"a": 0.5, "b": 0.5}, by="prompt")), rows)
    assert not {row.prompt for row in made["a"]} & {row.prompt for row in made["b"]}


@pytest.mark.parametrize("parts", [{}, {"A": 0.5}, {"a": 0.0}, {"a": 1.5}, {"a b": 0.5}])
def test_wrong_parts_are_errors(parts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="parts"):
        Split.Params(parts=parts)


def test_sample_takes_n_in_their_order() -> None:
    made, outputs = run(SampleRows(SampleRows.Params(n=10)), prompts(100))
    places = [ids(prompts(100)).index(row) for row in ids(made[MAIN])]
    assert len(places) == 10
    assert places == sorted(places)
    assert outputs.fates == {("kept", ""): 10, ("dropped", "not sampled"): 90}


def test_sample_by_fraction_is_stable_and_twins_have_a_chance_each() -> None:
    stage = SampleRows(SampleRows.Params(fraction=0.5))
    short, long = run(stage, prompts(50))[0][MAIN], run(stage, prompts(100))[0][MAIN]
    assert long[: len(short)] == short
    assert 20 < len(run(stage, [prompt("twin")] * 80)[0][MAIN]) < 60


def test_sample_needs_one_of_two() -> None:
    assert list(SampleRows.check(SampleRows.Params()))
    assert list(SampleRows.check(SampleRows.Params(n=1, fraction=0.5)))
    assert len(run(SampleRows(SampleRows.Params(n=10)), prompts(3))[0][MAIN]) == 3


# -- mix -------------------------------------------------------------------------------------------------------------


def counts(rows: Sequence[Record]) -> Counter[str]:
    return Counter("a" if int(row.row_id[2:]) < 100 else "b" for row in rows)


def test_mix_holds_proportions_and_mixes() -> None:
    made, outputs = run(Mix(Mix.Params(weights=[2, 1], total=60)), prompts(80), prompts(80, 100))
    assert counts(made[MAIN]) == {"a": 40, "b": 20}
    assert counts(made[MAIN][:30])["b"] > 2
    assert outputs.fates == {("kept", ""): 60, ("dropped", "not drawn"): 100}


def test_mix_takes_as_much_as_proportions_allow() -> None:
    made, _ = run(Mix(Mix.Params(weights=[1, 1])), prompts(30), prompts(80, 100))
    assert counts(made[MAIN]) == {"a": 30, "b": 30}
    assert counts(run(Mix(Mix.Params(weights=[0, 1])), prompts(30), prompts(80, 100))[0][MAIN]) == {"b": 80}


def test_mix_with_too_few_rows() -> None:
    parts = prompts(10), prompts(80, 100)
    less = run(Mix(Mix.Params(weights=[1, 1], total=60)), *parts)[0][MAIN]
    assert counts(less) == {"a": 10, "b": 30}
    repeated = run(Mix(Mix.Params(weights=[1, 1], total=60, on_short="repeat")), *parts)[0][MAIN]
    assert counts(repeated) == {"a": 30, "b": 30}
    assert set(Counter(ids(repeated)).values()) == {1, 3}
    with pytest.raises(UserError, match="data set 1 in `rows` has 10 rows, but the mix needs 30"):
        run(Mix(Mix.Params(weights=[1, 1], total=60, on_short="fail")), *parts)


def test_mix_needs_a_weight_for_each() -> None:
    with pytest.raises(UserError, match="2 numbers for 1 data sets"):
        run(Mix(Mix.Params(weights=[1, 1])), prompts(3))
    assert list(Mix.check(Mix.Params(weights=[0, 0])))
    with pytest.raises(UserError, match="data set 1 in `rows` has 0 rows"):
        run(Mix(Mix.Params(weights=[1, 1], total=4, on_short="repeat")), [], prompts(9))


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=6), st.integers(0, 500))
def test_apportioned_adds_up(weights: list[float], total: int) -> None:
    parts = apportioned(weights, total)
    assert sum(parts) == total
    assert all(abs(part - total * weight / sum(weights)) <= 1 for part, weight in zip(parts, weights, strict=True))


# -- filter ----------------------------------------------------------------------------------------------------------


def kept(row: Record, **params: Any) -> str | None:
    return dropped(Filter(Filter.Params(**params)), row)


def test_filter_by_own_and_the_users_columns() -> None:
    row = prompt(category="login", safe=True, level=1)
    assert kept(row, where={"category": ["login", "billing"]}) is None
    assert kept(row, where={"category": "billing"}) == "where: category"
    assert kept(row, where={"safe": True}) is None
    assert kept(row, where={"level": True}) == "where: level"
    assert kept(row, where={"nope": "x"}) == "where: nope"
    assert kept(row, where_not={"category": ["login"]}) == "where_not: category"
    assert kept(row, where_not={"nope": "x"}) is None
    assert kept(response(flags=("no-op",)), where={"flags": "no-op"}) is None


def test_filter_by_number() -> None:
    row = prompt(score=0.7, word="high")
    assert kept(row, at_least={"score": 0.7}, at_most={"score": 0.7}) is None
    assert kept(row, at_least={"score": 0.8}) == "at_least: score"
    assert kept(row, at_most={"word": 3}) == "at_most: word"


def test_filter_by_what_a_response_knows() -> None:
    cut, flagged = response(finish_reason="length"), response(flags=("runaway",))
    assert kept(cut, finish_reason=["stop"]) == "finish_reason: length"
    assert kept(flagged, flags={"none_of": ["no-op", "runaway"]}) == "flag: runaway"
    assert kept(flagged, flags={"any_of": ["runaway"]}) is None
    assert kept(cut, flags={"any_of": ["no-op"]}) == "no flag no-op"
    assert kept(response("four"), min_length=5) == "shorter than 5"
    assert kept(response("four"), max_length=3) == "longer than 3"


def test_filter_by_change() -> None:
    same = response("draft", rounds=(Round("p", "draft", "c", None, "m", None),))
    new = response("new", rounds=(Round("p", "draft", "c", "new", "m", "m"),))
    assert [kept(row, changed=True) for row in (same, new, response())] == ["unchanged", None, "unchanged"]
    assert [kept(row, changed=False) for row in (same, new)] == [None, "changed"]


def test_a_column_that_rows_never_have_is_an_error() -> None:
    with pytest.raises(UserError, match="`flags` needs a column `flags`, which prompts do not have"):
        kept(prompt(), flags={"none_of": ["x"]})


def test_a_filter_without_conditions_is_a_mistake() -> None:
    assert list(Filter.check(Filter.Params()))
    assert list(Filter.check(Filter.Params(min_length=3, max_length=2)))
    assert not list(Filter.check(Filter.Params(changed=True)))


# -- dedupe ----------------------------------------------------------------------------------------------------------


def test_dedupe_keeps_the_first_of_each_text() -> None:
    rows = [response("Yes.", row_id="1"), response(" yes. ", row_id="2"), response("No.", row_id="3")]
    made, outputs = run(Dedupe(), rows)
    assert ids(made[MAIN]) == ["1", "3"]
    assert outputs.fates == {("kept", ""): 2, ("dropped", "duplicate"): 1}


def test_dedupe_by_column() -> None:
    rows = [
        response("a", ask="q", row_id="1", meta={"family": 1}),
        response("b", ask="q", row_id="2", meta={"family": 2}),
    ]
    assert ids(run(Dedupe(Dedupe.Params(by=["prompt"])), rows)[0][MAIN]) == ["1"]
    assert ids(run(Dedupe(Dedupe.Params(by=["family"])), rows)[0][MAIN]) == ["1", "2"]
    with pytest.raises(UserError, match="has no column `nope`"):
        run(Dedupe(Dedupe.Params(by=["nope"])), rows)


def test_texts_that_only_join_alike_differ() -> None:
    rows = [response("b", ask="a c", row_id="1"), response("c b", ask="a", row_id="2")]
    assert len(run(Dedupe(), rows)[0][MAIN]) == 2


# -- pair ------------------------------------------------------------------------------------------------------------


def revised(index: int) -> Response:
    rounds = (Round("p", f"draft {index}", "c", f"new {index}", "m", "agent"),)
    return response(f"new {index}", ask=f"q{index}", rounds=rounds)


def test_a_revision_is_not_taken_to_be_better() -> None:
    """The case of a peer whose revision is always `chosen`: here a judge decides, and chance the order."""
    rows = [revised(i) for i in range(200)]
    made, _ = run(PairUp(PairUp.Params(how="revised")), rows, port="responses")
    first = sum(pair.first.startswith("new") for pair in made[MAIN])
    assert 70 < first < 130
    assert all(
        isinstance(pair, Pair) and pair.models[0 if pair.first.startswith("new") else 1] == "agent"
        for pair in made[MAIN]
    )


def test_what_was_not_revised_makes_no_pair() -> None:
    clean = response("x", rounds=(Round("p", "x", "c", None, "m", None),))
    _, outputs = run(PairUp(PairUp.Params(how="revised")), [clean, response("y"), revised(1)], port="responses")
    assert outputs.fates == {("dropped", "unchanged"): 1, ("dropped", "never critiqued"): 1, ("kept", ""): 1}


def test_all_combinations_of_different_answers() -> None:
    rows = [response(text, row_id=f"{i}") for i, text in enumerate(["a", "b", "c", "a "])] + [
        response("z", ask="alone")
    ]
    made, outputs = run(PairUp(), rows, port="responses")
    assert {frozenset((pair.first, pair.second)) for pair in made[MAIN]} == {
        frozenset(two) for two in ("ab", "ac", "bc")
    }
    assert outputs.fates == {("kept", ""): 3, ("dropped", "identical"): 1, ("dropped", "no other answer"): 1}
    assert len(set(ids(made[MAIN]))) == 3


def test_no_more_than_the_most() -> None:
    rows = [response(f"{i}", row_id=f"{i}") for i in range(8)]
    made, outputs = run(PairUp(PairUp.Params(most=3)), rows, port="responses")
    assert len(made[MAIN]) == 3
    assert made[MAIN] == run(PairUp(PairUp.Params(most=3)), rows, port="responses")[0][MAIN]
    assert outputs.fates.get(("dropped", "not drawn"), 0) >= 2
    assert list(PairUp.check(PairUp.Params(how="revised", most=2)))


def test_pairs_do_not_depend_on_the_order_of_rows() -> None:
    rows = [response(f"{i}", row_id=f"{i}") for i in range(2)]
    (one,), (other,) = (run(PairUp(), some, port="responses")[0][MAIN] for some in (rows, rows[::-1]))
    assert (one.first, one.second) == (other.first, other.second)


@pytest.mark.parametrize(
    "stage", [s for s in (one.load() for one in TRANSFORMS) if issubclass(s, WholeStage) and s not in (Mix, Split)]
)
def test_nothing_in_nothing_out(stage: type[WholeStage]) -> None:
    params = stage.Params(n=1) if stage is SampleRows else stage.Params()
    made, _ = run(stage(params), port=next(iter(stage.takes)))
    assert made[MAIN] == []
