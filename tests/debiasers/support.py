"""Votes, ratings and preferences by hand, and debiasers run as the engine runs them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from constitutional.api import MAIN, Constitution, Outputs, Preference, Rating, Record, Score, Vote, user
from constitutional.builtin.debiasers.audit import Audit
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given
from constitutional.builtin.math.probability import sigmoid
from tests.stages_support import SEED, Memory, Script, adds_up, constitution

ASK = (user("hi"),)


def vote(p: float | None, order: str = "ab", **values: Any) -> Vote:
    given = {"pair": "p", "principle": "kind", "judge": "j", "sample": 0, "first": "one", "second": "two", **values}
    given["row_id"] = "-".join(str(given[k]) for k in ("pair", "principle", "judge", "sample")) + f"-{order}"
    abstained = given.pop("abstained", None if p is not None else "timeout")
    return Vote(prompt=ASK, order=order, p_first=p, abstained=abstained, **given)  # type: ignore[arg-type]


def both(ab: float | None, ba: float | None, **values: Any) -> list[Vote]:
    return [vote(ab, "ab", **values), vote(ba, "ba", **values)]


def preference(p: float = 0.8, **values: Any) -> Preference:
    given = {"row_id": "r", "prompt": ASK, "chosen": "good", "rejected": "bad", "votes": 2, "agreement": 1.0, **values}
    return Preference(p_chosen=p, **given)  # type: ignore[arg-type]


def score(value: float, **values: Any) -> Score:
    given = {"row_id": f"s{value}", "prompt": ASK, "completion": f"worth {value}", "ratings": 1, **values}
    return Score(score=value, **given)  # type: ignore[arg-type]


def rating(value: float | None, response: str = "r", **values: Any) -> Rating:
    given = {"principle": "kind", "judge": "j", "sample": 0, "completion": f"says {response}", "step": None, **values}
    given["row_id"] = "-".join(str(given[k]) for k in ("principle", "judge", "sample", "step")) + f"-{response}"
    abstained = given.pop("abstained", None if value is not None else "timeout")
    return Rating(prompt=ASK, response=response, value=value, abstained=abstained, **given)  # type: ignore[arg-type]


def given(audit: Sequence[Record] = (), book: Constitution | None = None) -> Given:
    return Given(Audit(audit), book or constitution(), SEED)


def apply(stage: type[Debiaser], rows: Sequence[Any], audit: Sequence[Record] = (), book: Constitution | None = None,
          **params: Any) -> Applied:  # fmt: skip
    """The pure step; every row must be a source or have ended, and none both."""
    applied = stage(stage.Params(**params)).apply(rows, given(audit, book))
    used = [place for sources in applied.sources for place in sources]
    assert sorted([*used, *applied.ended]) == list(range(len(rows)))
    assert len(applied.sources) == len(applied.rows)
    return applied


def run(stage: type[Debiaser], rows: Sequence[Any], audit: Sequence[Record] = (), book: Constitution | None = None,
        **params: Any) -> tuple[list[Any], Outputs]:  # fmt: skip
    """The whole stage, as the engine runs it."""
    port = next(iter(stage.takes))
    inputs = Memory({port: [rows], "audit": [audit]})
    outputs = stage(stage.Params(**params)).run(inputs, Script(Path(), constitution=book or constitution()))
    outputs = replace(outputs, rows={name: list(made) for name, made in outputs.rows.items()})
    assert sum(outputs.fates.values()) == len(rows)
    assert adds_up(outputs, inputs, port)
    assert set(outputs.rows) == set(stage.gives(stage.Params(**params)))
    return list(outputs.rows[MAIN]), outputs


def figure(outputs: Outputs | Applied, name: str) -> Any:
    found: Any = outputs.figures
    for part in name.split("."):
        found = found[part]
    return found


def mirrored(votes: Sequence[Vote]) -> list[Vote]:
    """The same votes had the pair's two answers been numbered the other way."""
    return [replace(v, first=v.second, second=v.first, order="ba" if v.order == "ab" else "ab") for v in votes]


def judged(
    n: int, seed: int = 0, *, bias: float = 0.0, stretch: float = 1.0, judge: str = "j"
) -> tuple[list[Vote], list[Preference]]:
    """`n` pairs in both orders and what people say of them.

    A pair's true log-odds d are drawn; people choose by them, and the judge says `stretch` d, and `bias` for a place.
    """
    chance = random.Random(seed)
    votes, people = [], []
    for i in range(n):
        d = chance.gauss(0, 1.5)
        here = {"pair": f"{i}", "first": f"first of {i}", "second": f"second of {i}", "judge": judge}
        votes += both(sigmoid(bias + stretch * d), sigmoid(bias - stretch * d), **here)
        sides = [here["first"], here["second"]]
        won = sides if chance.random() < sigmoid(d) else sides[::-1]
        people.append(preference(1.0, row_id=f"h{i}", chosen=won[0], rejected=won[1]))
    return votes, people


# -- strategies ------------------------------------------------------------------------------------------------------

shares = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0]), st.none())
asked = st.tuples(
    st.sampled_from("pqr"), st.sampled_from("abc"), st.sampled_from("jk"), shares, shares, st.floats(0.1, 5)
)


@st.composite
def ballots(draw: st.DrawFn) -> list[Vote]:
    """Votes on up to three pairs, by several principles and judges, in both orders; some abstain."""
    said = draw(st.lists(asked, min_size=1, max_size=10))
    return [v for i, (pair, principle, judge, ab, ba, weight) in enumerate(said)
            for v in both(ab, ba, pair=pair, principle=principle, judge=judge, sample=i, weight=weight,
                          first=f"one of {pair}", second=f"two, longer, of {pair}")]  # fmt: skip


@st.composite
def preferences(draw: st.DrawFn, min_size: int = 1) -> list[Preference]:
    """Preferences of different probability and length."""
    sizes = st.integers(1, 30)
    said = draw(st.lists(st.tuples(st.floats(0.5, 1.0), sizes, sizes, st.floats(0, 1)), min_size=min_size, max_size=60))
    return [preference(p, row_id=f"r{i}", chosen="x" * a, rejected="y" * b, agreement=agreed)
            for i, (p, a, b, agreed) in enumerate(said)]  # fmt: skip
