"""MT-Bench (Zheng et al. 2023, arXiv 2306.05685): how often a judge agrees with people, and people with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

from constitutional.api import DataError, Vote
from constitutional.builtin.debiasers.ballots import Ballot
from constitutional.builtin.debiasers.bias import measured
from constitutional.builtin.math.agreement import same_position
from constitutional.builtin.math.bradley_terry import Game, standings
from constitutional.builtin.math.figures import figure, generator, nothing, share

from .lines import SEED, Line, Study
from .reading import count, rows
from .votes import BOTH_ORDERS, ONE_ORDER, ballot, believed, vote

STUDY = "MT-Bench"
COLUMNS = ("question_id", "turn", "model_a", "model_b", "judge", "winner")
FLIPPED = "tie (inconsistent)"
PREFERS = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5}
#: How many verdicts the published files hold; files of another size are another study, with nothing published of it.
SIZES = (3355, 2400)
#: Table 5 of the paper, setup S2: ties left out; and Bradley-Terry as fitted elsewhere from the same files.
AGREEMENT = {("judge", 1): 0.85, ("judge", 2): 0.85, ("people", 1): 0.81, ("people", 2): 0.82}
FLIPS = 380 / 2400
MODELS = ("gpt-4", "claude-v1", "gpt-3.5-turbo", "vicuna-13b-v1.2", "alpaca-13b", "llama-13b")
POINTS = {
    "people": dict(zip(MODELS, (1177, 1112, 1104, 990, 868, 749), strict=True)),
    "judge": dict(zip(MODELS, (1314, 1172, 1091, 970, 786, 666), strict=True)),
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
    known = tuple(sum(map(len, judged.values())) for judged in (people, machine)) == SIZES
    turns = sorted({item.turn for item in people})
    lines = [
        *(_agreement("judge", turn, _with_judge(people, machine, turn), known) for turn in turns),
        *(_agreement("people", turn, _among(people, turn), known) for turn in turns),
        _flips(machine, known),
        *_points("people", people, known),
        *_points("judge", machine, known),
    ]
    bias = measured([(made, believed(made.votes, made.pair)) for made in _ballots(machine)], BOTH_ORDERS, SEED)
    # Which place won where the orders differ is not in the file: figures that depend on it would be of our making.
    return Study(
        STUDY, lines, _warnings(machine), {"judge": {name: bias[name] for name in ("coverage", "pairs", "votes")}}
    )


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
        turn = count(row, "turn", path)
        item = Item(str(row["question_id"]), turn, first, second)
        found[item].append(Said(str(row["judge"]), prefers, winner == FLIPPED))
    return found


def _votes(item: Item, said: Said) -> list[Vote]:
    """A person saw one order.  A judge was asked in both; where its orders differed, both gave the place shown first.

    Which place it was is not in the file, and a tie in one order alone is counted there as a difference, too.
    """
    shown = (f"{item.pair}/{said.judge}", said.judge, item.first, item.second)
    if said.flipped:
        return [vote(*shown, "ab", 1.0), vote(*shown, "ba", 0.0)]
    return [vote(*shown, "ab", said.prefers_first), vote(*shown, "ba", said.prefers_first)]


def _ballots(judged: Mapping[Item, Sequence[Said]]) -> Iterator[Ballot]:
    return (ballot(f"{item.pair}/{said.judge}", _votes(item, said)) for item, every in judged.items() for said in every)


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
    pairs = ((item.question, _person(item, person), _machine(item, judge))
             for item, said in people.items() if item.turn == turn
             for person in said for judge in machine.get(item, ()))  # fmt: skip
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


def _agreement(who: str, turn: int, seen: _Seen, known: bool) -> Line:
    found = share(seen.hits, generator(SEED, who, str(turn)), seen.questions, {"tie or flip": seen.ties})
    published = AGREEMENT.get((who, turn)) if known else None
    return Line(STUDY, f"{who} and people agree, turn {turn}, no ties", found, published, 0.02)


def _flips(machine: Mapping[Item, Sequence[Said]], known: bool) -> Line:
    orders = [(made.pair.split("/")[0], both) for made in _ballots(machine) for s in made.by_principle()
              if (both := s.both(BOTH_ORDERS.clamp)) is not None]  # fmt: skip
    flipped = [same_position(*both) for _, both in orders]
    found = share(flipped, generator(SEED, "flips"), [name for name, _ in orders])
    note = f"{sum(flipped):,} of {len(flipped):,}"
    return Line(
        STUDY, "judge's verdict flips with the order", found, FLIPS if known else None, 1e-6, note=note, recount=True
    )


def _points(who: str, judged: Mapping[Item, Sequence[Said]], known: bool) -> list[Line]:
    """Strengths by maximum likelihood; a tie, and a flip, is half a win for each."""
    played = [(item.question, Game(item.first, item.second, said.prefers_first))
              for item, every in judged.items() for said in every]  # fmt: skip
    try:
        found = standings([game for _, game in played], generator(SEED, "points", who), [name for name, _ in played])
    except ValueError as error:
        return [Line(STUDY, f"Bradley-Terry points, by {who}", nothing(why=str(error)), note=str(error))]
    games = Counter(name for _, game in played for name in game[:2])
    theirs = POINTS[who] if known else {}
    lost = {"resample without estimate": found.unfinished}
    return [
        Line(STUDY, f"Bradley-Terry points of {name}, by {who}",
             figure(points, games[name], "Bradley-Terry, cluster bootstrap", lost), theirs.get(name), 1.0, percent=False, recount=True)
        for name, points in found.points.items()
    ]  # fmt: skip


def _warnings(machine: Mapping[Item, Sequence[Said]]) -> list[str]:
    every = [one for said in machine.values() for one in said]
    ties = sum(one.prefers_first == 0.5 and not one.flipped for one in every)
    told = [f"{ties} verdicts are ties of the judge in both orders, which are no flips"] if ties else []
    if any(one.flipped for one in every):
        told.append(f"`{FLIPPED}` also holds ties in one order alone: the file does not tell them from flips")
    return told
