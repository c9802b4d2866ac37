"""MT-Bench (Zheng et al. 2023, arXiv 2306.05685): how often a judge agrees with people, and people with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

from constitutional.api import DataError, Vote
from constitutional.builtin.debiasers.bias import measured
from constitutional.builtin.math.agreement import same_position
from constitutional.builtin.math.bradley_terry import Game, standings
from constitutional.builtin.math.figures import Figure, figure, generator, share

from .lines import SEED, Line, Study
from .reading import rows
from .votes import BOTH_ORDERS, ONE_ORDER, ballot, believed, vote

STUDY = "MT-Bench"
COLUMNS = ("question_id", "turn", "model_a", "model_b", "judge", "winner")
FLIPPED = "tie (inconsistent)"
PREFERS = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5}
#: Table 5 of the paper, setup S2: ties left out; and Bradley-Terry as fitted by hand.
PUBLISHED = {("judge", 1): 0.85, ("judge", 2): 0.85, ("people", 1): 0.81, ("people", 2): 0.82}
FLIPS = 380 / 2400
POINTS = {
    "gpt-4": 1177,
    "claude-v1": 1112,
    "gpt-3.5-turbo": 1104,
    "vicuna-13b-v1.2": 990,
    "alpaca-13b": 868,
    "llama-13b": 749,
}


class Item(NamedTuple):
    """Two answers to one turn of one question; `first` < `second`, whatever the file says."""

    question: str
    turn: int
    first: str
    second: str

    @property
    def pair(self) -> str:
        return f"{self.question}/{self.turn}/{self.first}/{self.second}"


class Said(NamedTuple):
    """Who a judge said is better: 1 the first, 0 the second, one half a tie; or that its two orders differed."""

    judge: str
    prefers_first: float
    flipped: bool = False


def study(human: Path, judge: Path) -> Study:
    people, machine = _read(human), _read(judge)
    turns = sorted({item.turn for item in people})
    lines = [
        *(_agreement("judge", turn, _with_judge(people, machine, turn)) for turn in turns),
        *(_agreement("people", turn, _among(people, turn)) for turn in turns),
        _flips(machine),
        *_points(people),
    ]
    bias = measured([(made, believed(made.votes, made.pair)) for made in _ballots(machine)], BOTH_ORDERS, SEED)
    return Study(STUDY, lines, _warnings(machine), {"judge": bias})


def _read(path: Path) -> dict[Item, list[Said]]:
    found: dict[Item, list[Said]] = defaultdict(list)
    for number, row in enumerate(rows(path, COLUMNS), start=1):
        winner = row["winner"]
        if winner not in (*PREFERS, FLIPPED) or row["model_a"] == row["model_b"]:
            raise DataError(f"{path}: row {number}: no verdict on two models: winner {winner!r:.40}",
                            help=f"a winner is one of {', '.join((*PREFERS, FLIPPED))}")  # fmt: skip
        prefers = PREFERS.get(winner, 0.5)
        first, second = sorted((str(row["model_a"]), str(row["model_b"])))
        prefers = prefers if first == row["model_a"] else 1.0 - prefers
        item = Item(str(row["question_id"]), int(row["turn"]), first, second)
        found[item].append(Said(str(row["judge"]), prefers, winner == FLIPPED))
    return found


def _votes(item: Item, said: Said) -> list[Vote]:
    """A person saw one order.  A judge was asked in both; where its orders differed, both gave the place shown first.

    Which place it was is not in the file, and a tie in one order alone is counted there as a difference, too.
    """
    shown = (item.pair, said.judge, item.first, item.second)
    if said.flipped:
        return [vote(*shown, "ab", 1.0), vote(*shown, "ba", 0.0)]
    return [vote(*shown, "ab", said.prefers_first), vote(*shown, "ba", said.prefers_first)]


def _ballots(judged: Mapping[Item, Sequence[Said]]) -> Iterator[Any]:
    return (ballot(item.pair, _votes(item, said[0])) for item, said in judged.items())


def _machine(item: Item, said: Said) -> bool | None:
    belief = believed(_votes(item, said), item.pair)
    return None if belief.p_first is None else belief.p_first > 0.5


def _person(item: Item, said: Said) -> bool | None:
    belief = believed(_votes(item, said)[:1], item.pair, ONE_ORDER)
    return None if belief.p_first is None else belief.p_first > 0.5


class _Seen(NamedTuple):
    hits: list[bool]
    questions: list[str]
    ties: int


def _with_judge(people: Mapping[Item, Sequence[Said]], machine: Mapping[Item, Sequence[Said]], turn: int) -> _Seen:
    pairs = ((item.question, _person(item, person), _machine(item, machine[item][0]))
             for item, said in people.items() if item.turn == turn and item in machine for person in said)  # fmt: skip
    return _seen(pairs)


def _among(people: Mapping[Item, Sequence[Said]], turn: int) -> _Seen:
    pairs = ((item.question, _person(item, one), _person(item, other))
             for item, said in people.items() if item.turn == turn
             for one, other in combinations(said, 2) if one.judge != other.judge)  # fmt: skip
    return _seen(pairs)


def _seen(pairs: Iterable[tuple[str, bool | None, bool | None]]) -> _Seen:
    seen = _Seen([], [], 0)
    ties = 0
    for question, one, other in pairs:
        if one is None or other is None:
            ties += 1
            continue
        seen.hits.append(one == other)
        seen.questions.append(question)
    return seen._replace(ties=ties)


def _agreement(who: str, turn: int, seen: _Seen) -> Line:
    name = "judge and people" if who == "judge" else "people and people"
    found = share(seen.hits, generator(SEED, who, str(turn)), seen.questions, {"tie or flip": seen.ties})
    return Line(STUDY, f"{name} agree, turn {turn}, no ties", found, PUBLISHED.get((who, turn)), 0.02)


def _flips(machine: Mapping[Item, Sequence[Said]]) -> Line:
    orders = [(made.pair.split("/")[0], both) for made in _ballots(machine) for s in made.by_principle()
              if (both := s.both(BOTH_ORDERS.clamp)) is not None]  # fmt: skip
    found = share([same_position(*both) for _, both in orders], generator(SEED, "flips"), [name for name, _ in orders])
    return Line(STUDY, "judge's verdict flips with the order", found, FLIPS, 1e-6, note="380 of 2,400")


def _points(people: Mapping[Item, Sequence[Said]]) -> list[Line]:
    played = [
        (item.question, Game(item.first, item.second, said.prefers_first))
        for item, every in people.items()
        for said in every
    ]
    found = standings([game for _, game in played], generator(SEED, "points"), [question for question, _ in played])
    games = Counter(name for _, game in played for name in game[:2])

    def shown(name: str) -> Figure:
        method = "Bradley-Terry, cluster bootstrap"
        return figure(found.points[name], games[name], method, {"resample without estimate": found.unfinished})

    return [Line(STUDY, f"Bradley-Terry points of {name}, by people", shown(name), POINTS.get(name), 1.0, percent=False)
            for name in found.points]  # fmt: skip


def _warnings(machine: Mapping[Item, Sequence[Said]]) -> list[str]:
    ties = sum(said[0].prefers_first == 0.5 and not said[0].flipped for said in machine.values())
    told = [f"{ties} pairs are ties of the judge in both orders, which are no flips"] if ties else []
    return [*told, f"`{FLIPPED}` also holds ties in one order alone: the file does not tell them from flips"]
