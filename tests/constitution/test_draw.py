"""Which principle a row meets: in proportion to weights, and stable under every change of the constitution."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from constitutional.constitution.draw import draw, score, uniform
from constitutional.constitution.model import Constitution, Principle

ROWS = [f"row{number}" for number in range(300)]


def principle(id: str, weight: float = 1.0) -> Principle:
    return Principle(id=id, rule=f"Be {id}.", critique="c", revision="r", compare="?", weight=weight)


IDS = st.lists(st.text("abcdefgh", min_size=1, max_size=6), min_size=1, max_size=8, unique=True)
WEIGHTS = st.floats(0.01, 100)


@st.composite
def principles(draws: st.DrawFn) -> list[Principle]:
    return [principle(id, draws(WEIGHTS)) for id in draws(IDS)]


def winners(among: list[Principle], seed: int = 17, round: int = 0) -> dict[str, str]:
    return {row: draw(among, seed, row, round)[0].id for row in ROWS}


@given(principles(), WEIGHTS)
def test_adding_a_principle_moves_only_the_rows_that_it_wins(among: list[Principle], weight: float) -> None:
    before, after = winners(among), winners([*among, principle("new", weight)])
    assert all(after[row] in (before[row], "new") for row in ROWS)


@given(principles())
def test_removing_a_principle_moves_only_the_rows_that_it_had(among: list[Principle]) -> None:
    if len(among) == 1:
        return
    gone, rest = among[0], among[1:]
    before, after = winners(among), winners(rest)
    assert all(before[row] == gone.id or after[row] == before[row] for row in ROWS)


@given(principles(), st.randoms())
def test_neither_texts_nor_order_move_anything(among: list[Principle], shuffler: object) -> None:
    edited = [replace(p, rule="other", critique="other", group="g") for p in among]
    shuffler.shuffle(edited)  # type: ignore[attr-defined]
    assert winners(edited) == winners(among)


@given(principles(), WEIGHTS)
def test_a_larger_weight_only_wins_rows(among: list[Principle], more: float) -> None:
    heavier = [replace(among[0], weight=among[0].weight + more), *among[1:]]
    before, after = winners(among), winners(heavier)
    assert all(after[row] in (before[row], among[0].id) for row in ROWS)


@given(principles(), st.integers(0, 12))
def test_k_are_distinct_and_fewer_are_a_prefix(among: list[Principle], k: int) -> None:
    drawn = draw(among, 1, "row", 0, k)
    assert len({p.id for p in drawn}) == len(drawn) == min(k, len(among))
    assert draw(among, 1, "row", 0, max(0, k - 1)) == drawn[: max(0, k - 1)]


def test_frequencies_are_those_of_the_weights() -> None:
    among = [principle("a", 1), principle("b", 2), principle("c", 5), principle("d", 0.5)]
    n = 20_000
    counts = Counter(draw(among, 17, f"row{number}")[0].id for number in range(n))
    total = sum(p.weight for p in among)
    found = chisquare([counts[p.id] for p in among], [n * p.weight / total for p in among])
    assert found.pvalue > 0.001


def test_rounds_and_seeds_are_independent() -> None:
    among = [principle("a"), principle("b")]
    n = 4000
    same = sum(draw(among, 1, f"r{i}", 0)[0] == draw(among, 1, f"r{i}", 1)[0] for i in range(n))
    other = sum(draw(among, 1, f"r{i}")[0] == draw(among, 2, f"r{i}")[0] for i in range(n))
    assert abs(same / n - 0.5) < 0.03
    assert abs(other / n - 0.5) < 0.03


def test_the_draw_is_the_same_on_every_machine() -> None:
    among = [principle(id, weight) for id, weight in (("kind", 1), ("honest", 2), ("safe", 3))]
    drawn = "".join(draw(among, 17, f"row{number}")[0].id[0] for number in range(40))
    assert drawn == "hskshskhhkhhsssskhsshhhkhhhhhkskssksssss"


def test_weight_zero_is_never_drawn() -> None:
    among = [principle("never", 0), principle("always")]
    assert all(draw(among, 1, row, k=5) == [among[1]] for row in ROWS)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(ValueError, match="no principle"):
        draw([], 1, "row")
    with pytest.raises(ValueError, match="negative"):
        draw([principle("a")], 1, "row", k=-1)
    assert draw([], 1, "row", k=0) == []


@pytest.mark.parametrize("digest", ["0" * 64, "f" * 64])
def test_the_uniform_number_never_touches_the_ends(digest: str) -> None:
    assert 0.0 < uniform(digest) < 1.0
    assert score(principle("a"), 1, "row") > 0


def test_select_keeps_the_order_of_the_file() -> None:
    whole = Constitution("c", tuple(replace(principle(i), group=g) for i, g in (("a", "x"), ("b", "y"), ("c", "x"))))
    whole = replace(whole, groups={"x": None, "y": None})  # type: ignore[dict-item]
    assert [p.id for p in whole.select()] == ["a", "b", "c"]
    assert [p.id for p in whole.select(groups=["x"])] == ["a", "c"]
    assert [p.id for p in whole.select(groups=["x"], ids=["c", "b"])] == ["c"]
    assert whole["b"].id == "b"
    for wrong in ({"groups": ["z"]}, {"ids": ["z"]}):
        with pytest.raises(KeyError):
            whole.select(**wrong)
    with pytest.raises(KeyError):
        whole["z"]
