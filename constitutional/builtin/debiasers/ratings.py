"""Ratings by response: which of them count, and how each of them ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from constitutional.api import DataError, Fate, JsonObject, Rating
from constitutional.builtin.debiasers.step import Applied, identified

if TYPE_CHECKING:
    from constitutional.builtin.math.statistics import Interval

OTHER = {True: "rates the whole response", False: "rates a step"}
NO_RATING = "no usable rating"


def value(rating: Rating) -> float:
    """What a rating says, between 0 and 1.

    Raises:
        DataError: if it lies outside of its own range, or that range is empty.
    """
    said = rating.value
    if said is None or not rating.low < rating.high or not rating.low <= said <= rating.high:
        raise DataError(f"rating {rating.row_id} is {said}, not between {rating.low:g} and {rating.high:g}")
    return (said - rating.low) / (rating.high - rating.low)


def usable(rating: Rating) -> bool:
    return rating.value is not None and rating.abstained is None


def by_response(ratings: Sequence[Rating], *, steps: bool) -> Mapping[str, Sequence[int]]:
    """Places of the ratings of each response, in order of first appearance; those of `steps`, or of wholes.

    Raises:
        DataError: where ratings of one response show different texts, or answer different questions.
    """
    found: dict[str, list[int]] = {}
    known: Rating | None = None
    for place, rating in enumerate(ratings):
        if (rating.asked == "step") != steps:
            continue
        known = known or rating
        if rating.asked != known.asked:
            raise DataError(f"ratings that answer `{known.asked}` and `{rating.asked}` cannot be averaged",
                            help="use one `scores` for the ratings of each labeller")  # fmt: skip
        found.setdefault(rating.response, []).append(place)
        first = ratings[found[rating.response][0]]
        if (rating.prompt, rating.completion) != (first.prompt, first.completion):
            raise DataError(
                f"ratings {first.row_id} and {rating.row_id} of response {rating.response} show different texts"
            )
    return found


def scored(ratings: Sequence[Rating], groups: Mapping[str, Sequence[int]],
           believe: Callable[[Sequence[Rating]], Any]) -> Applied:  # fmt: skip
    """A row for every response of which `believe` makes one of its usable ratings; it may say instead why not."""
    rows, sources = [], []
    ended: dict[int, tuple[Fate, str]] = {}
    for places in groups.values():
        there = sorted((place for place in places if usable(ratings[place])), key=lambda place: ratings[place].row_id)
        made = believe([ratings[place] for place in there]) if there else NO_RATING
        if not isinstance(made, str):
            rows.append(identified(made, "rated", tuple(ratings[place].row_id for place in there)))
            sources.append(tuple(there))
        for place in places:
            if isinstance(made, str) or place not in there:
                ended[place] = "abstained", ratings[place].abstained or (made if isinstance(made, str) else NO_RATING)
    grouped = {place for places in groups.values() for place in places}
    for place in range(len(ratings)):
        if place not in grouped:
            ended[place] = "dropped", OTHER[ratings[place].asked != "step"]
    return Applied(rows, sources, ended)


def generosity(ratings: Sequence[Rating], seed: int) -> dict[str, Interval]:
    """What each judge adds to a rating of one response by one principle."""
    from constitutional.builtin.math.figures import generator
    from constitutional.builtin.math.leniency import leniency_intervals

    there = sorted((rating for rating in ratings if usable(rating)), key=lambda rating: rating.row_id)
    items = [(rating.response, rating.principle) for rating in there]
    rng = generator(seed, "scores/leniency")
    return leniency_intervals([value(rating) for rating in there], items, [rating.judge for rating in there], rng)


def figures_of(added: Mapping[str, Interval], ratings: Sequence[Rating]) -> JsonObject:
    """The leniency of each judge, with the number of its ratings."""
    from constitutional.builtin.math.figures import figure

    counted = Counter(rating.judge for rating in ratings if usable(rating))
    return {judge: figure(found, counted[judge], "bootstrap over responses") for judge, found in added.items()}
