"""From votes to preferences: ballots in, what is believed of each, and how every single vote ended."""

from __future__ import annotations

from collections.abc import Sequence

from constitutional.api import Fate, JsonObject, Preference, Vote
from constitutional.builtin.debiasers.ballots import Ballot, Belief, agreement
from constitutional.builtin.debiasers.step import Applied, identified

Decided = Sequence[tuple[Ballot, Belief]]

NOT_HEARD = "its principle was left out"


def ballots_of(votes: Sequence[Vote]) -> list[Ballot]:
    """Votes by pair, in order of first appearance.

    Raises:
        DataError: where votes on one pair show different answers.
    """
    ballots: dict[str, Ballot] = {}
    for vote in votes:
        ballots.setdefault(vote.pair, Ballot(vote.pair)).add(vote)
    return list(ballots.values())


def labelled(votes: Sequence[Vote], decided: Decided, figures: JsonObject) -> Applied:
    """A preference for every ballot that supports one; the other votes abstain, by their own word or their pair's."""
    place = {vote.row_id: index for index, vote in enumerate(votes)}
    rows, sources = [], []
    ended: dict[int, tuple[Fate, str]] = {}
    for ballot, belief in decided:
        used = {vote.row_id for vote in belief.used}
        if belief.p_first is not None:
            rows.append(_preference(ballot, belief, belief.p_first))
            sources.append(tuple(sorted(place[row_id] for row_id in used)))
        for vote in ballot.votes:
            if vote.row_id not in used:
                ended[place[vote.row_id]] = "abstained", vote.abstained or belief.reason or NOT_HEARD
    return Applied(rows, sources, ended, figures)


def _preference(ballot: Ballot, belief: Belief, p_first: float) -> Preference:
    vote, first = ballot.votes[0], p_first > 0.5
    chosen, rejected = (vote.first, vote.second) if first else (vote.second, vote.first)
    made = Preference(
        row_id="", meta=vote.meta, prompt=vote.prompt, chosen=chosen, rejected=rejected,
        p_chosen=p_first if first else 1.0 - p_first, votes=len(belief.used),
        agreement=agreement(belief.used, first), principles=belief.principles,
    )  # fmt: skip
    return identified(made, "label", tuple(sorted(used.row_id for used in belief.used)))  # type: ignore[no-any-return]
