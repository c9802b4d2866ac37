"""Rules as votes and ratings: no judge, no places, nothing said where nothing differs."""

import json
from typing import Any

import pytest

from constitutional.api import MAIN, Pair, Preference, UserError, user
from constitutional.builtin.debiasers import PositionSwap
from constitutional.builtin.labellers import RuleRatings, Rules
from tests.stages_support import Memory, Script, constitution, principle, process, response

SECRET = {"check": "pattern", "name": "no-password", "pattern": "(?i)password"}
CARD = {"check": "personal", "sorts": ["card"]}


def rules(*checks: dict[str, Any]) -> Rules:
    return Rules(Rules.Params.model_validate({"checks": checks}))


def ratings(*checks: dict[str, Any]) -> RuleRatings:
    return RuleRatings(RuleRatings.Params.model_validate({"checks": checks}))


def pair(first: str, second: str) -> Pair:
    return Pair(row_id="pair", prompt=(user("hi"),), first=first, second=second)


def test_the_answer_that_keeps_the_rule_wins_in_both_orders() -> None:
    ab, ba = process(rules(SECRET), pair("Tell me your password", "Use the reset link"))
    assert (ab.order, ab.p_first, ba.order, ba.p_first) == ("ab", 0.0, "ba", 1.0)
    assert (ab.principle, ab.judge, ab.pair, ab.abstained) == ("rule:no-password", "rules", "pair", None)
    assert json.loads(ab.raw) == {"first": [{"start": 13, "end": 21}], "second": []}
    assert ab.row_id != ba.row_id


@pytest.mark.parametrize(("first", "second", "reason"), [
    ("a", "b", "both keep the rule"), ("password", "Password", "both break the rule"),
    ("a" * 100_001, "b", "text of more than 100,000 characters"),
])  # fmt: skip
def test_where_nothing_differs_or_nothing_is_known_a_rule_abstains(first: str, second: str, reason: str) -> None:
    votes = process(rules(SECRET), pair(first, second))
    assert {(vote.p_first, vote.abstained) for vote in votes} == {(None, reason)}


def test_swapped_answers_give_swapped_votes() -> None:
    there = process(rules(SECRET, CARD), pair("password", "4111 1111 1111 1111"))
    back = process(rules(SECRET, CARD), pair("4111 1111 1111 1111", "password"))
    assert [v.p_first for v in there] == [0.0, 1.0, 1.0, 0.0]
    assert [v.p_first for v in back] == [1.0, 0.0, 0.0, 1.0]


def test_a_debiaser_reads_them_as_they_are() -> None:
    votes = process(rules(SECRET), pair("password", "link"))
    outputs = PositionSwap(PositionSwap.Params()).run(Memory({"votes": [votes]}), Script(None))  # type: ignore[arg-type]
    (made,) = outputs.rows[MAIN]
    assert isinstance(made, Preference)
    assert (made.chosen, made.rejected) == ("link", "password")


def test_a_rule_may_stand_for_a_principle() -> None:
    book = constitution(principle("no-secrets", weight=3.0))
    check = {**SECRET, "principle": "no-secrets", "weight": 2.0}
    (vote, _) = process(rules(check), pair("password", "link"), book=book)
    assert (vote.principle, vote.weight) == ("no-secrets", 2.0)
    params = rules(check).params
    assert [p.id for p in Rules.sees(params, book)] == ["no-secrets"]
    with pytest.raises(UserError, match="no-secrets"):
        Rules.sees(params, constitution(principle("other")))
    assert Rules.sees(rules(SECRET).params, constitution()) == ()


def test_ratings_say_whether_an_answer_keeps_each_rule() -> None:
    bad, fine = process(ratings(SECRET, CARD), response("Your password?", sample=2))
    assert [(r.value, r.asked, r.sample, r.judge) for r in (bad, fine)] == [
        (0.0, "acceptable", 0, "rules"),
        (1.0, "acceptable", 0, "rules"),
    ]
    assert (bad.principle, fine.principle) == ("rule:no-password", "rule:personal")
    (unknown,) = process(ratings(SECRET), response("a" * 100_001))
    assert (unknown.value, unknown.abstained) == (None, "text of more than 100,000 characters")


def test_insecure_code_loses_to_sound_code() -> None:
    insecure = "```python\nimport subprocess\nsubprocess.call(x, shell=True)\n```"
    ab, ba = process(rules({"check": "code"}), pair(insecure, "```python\nprint(1)\n```"))
    assert (ab.p_first, ba.p_first) == (0.0, 1.0)


def test_mistakes_are_found_before_anything_runs() -> None:
    assert "no regular expression" in next(iter(Rules.check(rules({"check": "pattern", "pattern": "(?=a)"}).params)))
    assert "2 rules are called `personal`" in next(iter(RuleRatings.check(ratings(CARD, CARD).params)))
    assert not list(Rules.check(rules(SECRET, CARD, {"check": "length", "most": 9}, {"check": "code"}).params))
    assert "empty" in next(iter(Rules.check(rules().params)))
    for wrong in ([{"check": "nothing"}], [{"check": "length", "pattern": "x"}]):
        with pytest.raises(ValueError, match="checks"):
            Rules.Params.model_validate({"checks": wrong})
