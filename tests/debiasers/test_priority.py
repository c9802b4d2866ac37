"""The first group of principles that decides, decides."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Constitution, Preference, UserError, Vote
from constitutional.builtin.debiasers.priority import Priority
from constitutional.constitution.model import Group
from tests.debiasers.support import apply, ballots, both, figure, mirrored, run
from tests.stages_support import principle

BOOK = Constitution(
    "ranked",
    (principle("a", group="safety"), principle("b", group="style"), principle("c", group="taste")),
    {"taste": Group("taste", priority=2), "safety": Group("safety"), "style": Group("style", priority=2)},
)


def only(votes: list[Vote], **params: Any) -> Preference | str:
    applied = apply(Priority, votes, book=BOOK, **params)
    (found,) = applied.rows or [applied.ended[0][1]]
    return found  # type: ignore[no-any-return]


def test_a_higher_group_is_never_outweighed() -> None:
    votes = both(0.6, 0.4, principle="a") + both(0.01, 0.99, principle="b", weight=100.0)
    made = only(votes)
    assert isinstance(made, Preference)
    assert (made.chosen, made.p_chosen, made.principles) == ("one", pytest.approx(0.6), ("a",))


def test_where_a_group_is_in_doubt_the_next_decides() -> None:
    made = only(both(0.52, 0.48, principle="a") + both(0.1, 0.9, principle="b"))
    assert isinstance(made, Preference)
    assert (made.chosen, made.principles) == ("two", ("b",))
    assert only(both(0.52, 0.48, principle="a") + both(0.5, 0.5, principle="b")) == "margin"


def test_groups_of_one_priority_are_one() -> None:
    made = only(both(0.8, 0.2, principle="b") + both(0.7, 0.3, principle="c"))
    assert isinstance(made, Preference)
    assert made.principles == ("b", "c")


def test_the_order_can_be_written_down() -> None:
    votes = both(0.9, 0.1, principle="a") + both(0.1, 0.9, principle="c")
    assert only(votes).chosen == "one"  # type: ignore[union-attr]
    assert only(votes, groups=["taste", "safety"]).chosen == "two"  # type: ignore[union-attr]
    assert only(both(0.9, 0.1, principle="b"), groups=["taste"]) == "its principle has no rank"


def test_it_needs_groups_that_are_there() -> None:
    with pytest.raises(KeyError, match="nobody"):
        Priority.sees(Priority.Params(groups=["nobody"]), BOOK)
    with pytest.raises(UserError, match="no principles"):
        Priority.sees(Priority.Params(), Constitution.empty())


def test_priorities_are_part_of_what_decides() -> None:
    assert Priority.ranks(Priority.Params(), BOOK) == {"safety": 1, "taste": 2, "style": 2}
    assert Priority.ranks(Priority.Params(groups=["style", "safety"]), BOOK) == {"style": 1, "safety": 2}


def test_figures_say_who_decided() -> None:
    votes = [v for i in range(4) for v in both(0.9, 0.1, principle="abba"[i], pair=f"{i}")]
    _, outputs = run(Priority, votes, book=BOOK)
    assert figure(outputs, "decided_by")["safety"]["value"] == 0.5
    assert outputs.fates == {("kept", ""): 8}


@given(ballots(), st.randoms(use_true_random=False))
def test_mirrored_and_shuffled_votes_give_the_same_labels(votes: list[Vote], chance: random.Random) -> None:
    here = apply(Priority, votes, book=BOOK)
    there = apply(Priority, mirrored(chance.sample(votes, len(votes))), book=BOOK)
    labels = [
        sorted((r.chosen, r.rejected, round(r.p_chosen, 9), r.principles) for r in some.rows) for some in (here, there)
    ]
    assert labels[0] == labels[1]
