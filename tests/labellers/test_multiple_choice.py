"""The labeller writes down what the judge said, and decides nothing."""

import json
import math

import pytest

from constitutional.api import Pair, Unanswered, UserError, user
from constitutional.builtin.labellers import MultipleChoice
from constitutional.constitution.model import Example
from tests.stages_support import Asked, constitution, principle, process

BOOK = constitution(*(principle(f"p{i}", weight=1.0 + i) for i in range(4)))


def pair(row_id: str = "pair") -> Pair:
    return Pair(row_id=row_id, prompt=(user("hi"),), first="good", second="bad", models=("m", "m"))


def logs(*shares: float) -> tuple[float, ...]:
    return tuple(math.log(share) if share else -math.inf for share in shares)


def fair(asked: Asked) -> tuple[float, ...]:
    """A judge that likes `good` at 0.8, wherever it stands."""
    return logs(0.8, 0.2) if asked.values["first"] == "good" else logs(0.2, 0.8)


def stage(**params: object) -> MultipleChoice:
    return MultipleChoice(MultipleChoice.Params(**params))  # type: ignore[arg-type]


def test_one_vote_for_each_principle_and_order() -> None:
    votes = process(stage(principles=3), pair(), fair, BOOK)
    assert len(votes) == 6
    assert [vote.order for vote in votes] == ["ab", "ba"] * 3
    assert len({vote.principle for vote in votes}) == 3
    assert all(vote.pair == "pair" and vote.parents == ("pair",) for vote in votes)


def test_p_first_belongs_to_the_answer_shown_first() -> None:
    ab, ba = process(stage(), pair(), fair, BOOK)
    assert (ab.p_first, ba.p_first) == (pytest.approx(0.8), pytest.approx(0.2))
    assert (ab.first, ab.second) == (ba.first, ba.second) == ("good", "bad")


def test_all_principles_and_groups() -> None:
    book = constitution(principle("a", group="x"), principle("b", group="y"), principle("c", group="x", weight=0))
    assert [v.principle for v in process(stage(principles="all", orders="fixed"), pair(), fair, book)] == ["a", "b"]
    assert [v.principle for v in process(stage(groups=["y"], orders="fixed"), pair(), fair, book)] == ["b"]
    assert [p.id for p in MultipleChoice.sees(MultipleChoice.Params(), book)] == ["a", "b"]


def test_asking_by_more_principles_keeps_the_votes_there_are() -> None:
    two, three = process(stage(principles=2), pair(), fair, BOOK), process(stage(principles=3), pair(), fair, BOOK)
    assert three[:4] == two


def test_a_random_order_belongs_to_row_and_principle() -> None:
    orders = [process(stage(orders="random"), pair(f"pair {i}"), fair, BOOK)[0].order for i in range(200)]
    assert 70 < orders.count("ab") < 130
    assert orders[:20] == [process(stage(orders="random"), pair(f"pair {i}"), fair, BOOK)[0].order for i in range(20)]


def test_votes_carry_weight_mass_and_the_judges_own_numbers() -> None:
    vote = process(stage(), pair(), lambda asked: logs(0.3, 0.1), BOOK)[0]
    assert vote.weight == BOOK[vote.principle].weight
    assert vote.mass == pytest.approx(0.4)
    assert vote.p_first == pytest.approx(0.75)
    assert json.loads(vote.raw) == {"A": pytest.approx(math.log(0.3)), "B": pytest.approx(math.log(0.1))}


def test_a_judge_that_wants_to_say_more_abstains() -> None:
    vote = process(stage(min_mass=0.5), pair(), lambda asked: logs(0.3, 0.1), BOOK)[0]
    assert (vote.p_first, vote.abstained, vote.mass) == (None, "low-mass", pytest.approx(0.4))


@pytest.mark.parametrize(
    ("said", "reason"),
    [(logs(0, 0), "low-mass"), ((math.nan, -1.0), "unreadable"), ((-1.0,), "unreadable"), ((-1.0,) * 3, "unreadable")],
)
def test_numbers_that_mean_nothing_are_no_verdict(said: tuple[float, ...], reason: str) -> None:
    votes = process(stage(min_mass=0.0), pair(), lambda asked: said, BOOK)
    assert {(vote.p_first, vote.abstained) for vote in votes} == {(None, reason)}


def test_certainty_is_recorded_as_it_was() -> None:
    assert process(stage(), pair(), lambda asked: logs(1, 0), BOOK)[0].p_first == 1.0


def test_an_unanswered_question_is_an_abstention_never_a_coin_flip() -> None:
    """The case of a peer whose unparseable answer becomes a seeded coin flip, or "A"."""

    def rule(asked: Asked) -> tuple[float, ...] | Unanswered:
        return Unanswered("timeout", "after 30 s") if asked.values["first"] == "bad" else fair(asked)

    ab, ba = process(stage(), pair(), rule, BOOK)
    assert (ab.abstained, ab.p_first) == (None, pytest.approx(0.8))
    assert (ba.abstained, ba.p_first, ba.raw) == ("timeout", None, "after 30 s")


def test_where_nothing_was_answered_the_row_is_unscored() -> None:
    with pytest.raises(Unanswered, match="http 429"):
        process(stage(principles=2), pair(), lambda asked: Unanswered("http 429"), BOOK)


def test_ids_stand_for_the_question_not_for_the_last_bits_of_the_answer() -> None:
    one = process(stage(), pair(), lambda asked: logs(0.8, 0.2), BOOK)
    other = process(stage(), pair(), lambda asked: logs(0.8 + 1e-12, 0.2), BOOK)
    assert [vote.row_id for vote in one] == [vote.row_id for vote in other]
    assert len({vote.row_id for vote in one}) == 2


def test_options_must_differ() -> None:
    assert list(MultipleChoice.check(MultipleChoice.Params(options=("A", "A "))))
    assert list(MultipleChoice.check(MultipleChoice.Params(options=("A", " "))))
    assert not list(MultipleChoice.check(MultipleChoice.Params(options=("1", "2"))))


def test_votes_survive_the_disk() -> None:
    for vote in process(stage(), pair(), fair, BOOK):
        assert type(vote).from_row(vote.to_row()) == vote


# -- several judges --------------------------------------------------------------------------------------------------

JUDGES = ("models.strict", "models.mild")


def opinionated(asked: Asked) -> tuple[float, ...]:
    """One judge likes `good` at 0.9, the other at 0.6."""
    p = 0.9 if asked.model == "models.strict" else 0.6
    return logs(p, 1 - p) if asked.values["first"] == "good" else logs(1 - p, p)


def test_each_judge_votes_under_its_label() -> None:
    votes = process(stage(principles=2), pair(), opinionated, BOOK, JUDGES)
    assert [vote.judge for vote in votes] == ["strict", "mild"] * 4
    assert [vote.order for vote in votes] == ["ab", "ab", "ba", "ba"] * 2
    assert [round(vote.p_first, 2) for vote in votes[:4]] == [0.9, 0.6, 0.1, 0.4]
    assert len({vote.row_id for vote in votes}) == 8


def test_a_judge_that_does_not_answer_silences_nobody_else() -> None:
    def rule(asked: Asked) -> tuple[float, ...] | Unanswered:
        return Unanswered("http 500") if asked.model == "models.mild" else opinionated(asked)

    votes = process(stage(), pair(), rule, BOOK, JUDGES)
    assert [(vote.judge, vote.abstained) for vote in votes] == [("strict", None), ("mild", "http 500")] * 2


# -- examples --------------------------------------------------------------------------------------------------------

OWN = tuple(Example(f"ask {i}", f"good {i}", f"bad {i}") for i in range(3))
TAUGHT = constitution(principle("kind", examples=OWN))


def turns(**params: object) -> dict[str, list[tuple[str, str]]]:
    """By order, what the judge saw and was told before the question."""
    seen: list[Asked] = []
    votes = process(stage(**params), pair(), lambda asked: (seen.append(asked), fair(asked))[1], TAUGHT)
    return {
        vote.order: [(m.role, m.content) for m in asked.request.messages]
        for vote, asked in zip(votes, seen, strict=True)
    }


def better_first(shown: list[tuple[str, str]]) -> list[bool]:
    """For each example, whether the better answer stood first; the answer must say so, too."""
    made = []
    for (_, question), (role, answer) in zip(shown[::2], shown[1::2], strict=False):
        assert role == "assistant"
        first = question.index("good") < question.index("bad")
        assert answer == ("A" if first else "B")
        made.append(first)
    return made


def test_the_principles_own_examples_stand_before_the_question() -> None:
    shown = turns(shots=3)["ab"]
    assert [role for role, _ in shown] == ["user", "assistant"] * 3 + ["user"]
    assert all(f"good {i}" in shown[2 * i][1] and f"ask {i}" in shown[2 * i][1] for i in range(3))
    assert "(A) good\n" in shown[-1][1]
    assert len(turns(shots=1)["ab"]) == 3


def test_places_of_the_better_example_take_turns_and_mirror_between_orders() -> None:
    shown = turns(shots=2)
    assert sorted(better_first(shown["ab"])) == [False, True]
    assert better_first(shown["ba"]) == [not first for first in better_first(shown["ab"])]


def test_which_place_comes_first_belongs_to_the_row() -> None:
    seen: list[Asked] = []
    for i in range(100):
        process(
            stage(shots=1, orders="fixed"),
            pair(f"pair {i}"),
            lambda asked: (seen.append(asked), fair(asked))[1],
            TAUGHT,
        )
    begun = [asked.request.messages[1].content for asked in seen]
    assert 30 < begun.count("A") < 70


def test_examples_of_the_spec() -> None:
    shown = turns(shots=[{"prompt": "pay me", "better": "good no", "worse": "bad yes"}])["ab"]
    assert len(shown) == 3
    assert "User: pay me" in shown[0][1]


def test_an_example_may_be_about_another_principle() -> None:
    book = constitution(principle("a"), principle("b", group="other"))
    params = {"groups": ["principles"], "shots": [{"prompt": "p", "better": "good", "worse": "bad", "principle": "b"}]}
    seen: list[Asked] = []
    process(stage(**params), pair(), lambda asked: (seen.append(asked), fair(asked))[1], book)
    assert "compare of b" in seen[0].request.messages[0].content
    assert "compare of a" in seen[0].request.messages[2].content
    assert [p.id for p in MultipleChoice.sees(MultipleChoice.Params(**params), book)] == ["a", "b"]  # type: ignore[arg-type]


def test_what_cannot_be_shown_is_said_before_anything_is_asked() -> None:
    bare = constitution(principle("kind", examples=OWN), principle("bare"))
    with pytest.raises(UserError, match="`bare` has none"):
        MultipleChoice.sees(MultipleChoice.Params(shots=2), bare)
    with pytest.raises(UserError, match="nowhere"):
        MultipleChoice.sees(
            MultipleChoice.Params(shots=[{"prompt": "p", "better": "b", "worse": "w", "principle": "nowhere"}]), bare
        )  # type: ignore[arg-type]


def test_examples_are_in_the_fingerprint_where_they_are_shown() -> None:
    assert not MultipleChoice.sees_examples(MultipleChoice.Params())
    assert MultipleChoice.sees_examples(MultipleChoice.Params(shots=1))
