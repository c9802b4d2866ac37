"""Divergence, repetition and the look of answers, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.math.drift import divergence, look, repetition


def test_the_divergence_of_two_coins() -> None:
    ours, theirs = torch.tensor([[math.log(0.5), math.log(0.5)]]), torch.tensor([[math.log(0.25), math.log(0.75)]])
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert divergence(ours, theirs).tolist() == pytest.approx([expected], abs=1e-6)


def test_a_token_that_the_policy_never_says_adds_nothing() -> None:
    ours, theirs = torch.tensor([0.0, -math.inf]), torch.tensor([0.0, 0.0])
    assert float(divergence(ours, theirs)) == pytest.approx(math.log(2), abs=1e-6)


@given(st.lists(st.tuples(st.floats(-8, 8), st.floats(-8, 8)), min_size=2, max_size=6))
def test_a_divergence_is_never_negative_and_zero_from_itself(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = (torch.tensor(side) for side in zip(*pairs, strict=True))
    assert float(divergence(ours, theirs)) >= 0
    assert float(divergence(ours, ours)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "n", "share"),
    [("a b c a b c a", 3, 2 / 5), ("A a a a", 1, 3 / 4), ("one two", 3, 0.0), ("", 3, 0.0), ("a b a b a", 2, 2 / 4)],
)
def test_the_share_of_repeated_word_sequences(text: str, n: int, share: float) -> None:
    assert repetition(text, n) == pytest.approx(share)


@given(st.text(), st.integers(1, 4))
def test_a_share_is_a_share(text: str, n: int) -> None:
    assert 0 <= repetition(text, n) < 1


@pytest.mark.parametrize(
    ("text", "seen"),
    [("- one\n- two", {"lists"}), ("1. one\n2. two", {"lists"}), ("2023. A fine year.", set()), ("a - b\nc - d", set()),
     ("this is **bold** talk", {"bold"}), ("2 ** 3 ** 4", set()), ("snake__case__name", {"bold"}), ("# Title\ntext", {"headings"}),
     ("call #12 now", set()), ("Perhaps it is.", {"hedges"}), ("It\u2019s worth noting that", {"hedges"}), ("Mayberry", set()),
     ("I\u2019m sorry, **no**\n* a\n* b", {"hedges", "bold", "lists"}), ("", set())],
)  # fmt: skip
def test_what_an_answer_looks_like(text: str, seen: set[str]) -> None:
    assert {name for name, there in look(text).items() if there} == seen
