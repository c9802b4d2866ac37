"""Principles in order of rank: the first group that decides, decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from constitutional.api import Constitution, Preference, Principle, UserError, Vote
from constitutional.builtin.debiasers.ballots import NO_VOTE, Ballot, Belief, Rules, decide
from constitutional.builtin.debiasers.labels import ballots_of, labelled
from constitutional.builtin.debiasers.position_swap import SwapParams
from constitutional.builtin.debiasers.step import Applied, Debiaser, Given, many

#: What the groups of one rank are called together, and the ids of their principles.
Tier: TypeAlias = tuple[str, frozenset[str]]

UNRANKED = "its principle has no rank"


class Priority(Debiaser):
    """Ask the groups of the constitution in order of their `priority`: the first that is not in doubt decides.

    Within a group votes are combined as in `position-swap`.  A group decides where its probability is at least `margin`
    from one half; else the next one is asked, and where none decides the pair abstains.  Groups of one priority are
    one.  Lower groups never outweigh a higher one, however sure they are: for rules that must not be traded.

    Figures: those of `position-swap`, and `decided_by`, the share of labels that each group decided.
    """

    name, version = "priority", 1
    takes: ClassVar = many(Vote, "votes by principles of several groups")
    on: ClassVar = (Vote,)
    makes: ClassVar = Preference
    ends: ClassVar = "abstained"

    class Params(SwapParams):
        """Parameters of `priority`."""

        groups: tuple[str, ...] | None = None
        """Groups of principles, the one that decides first first; left out, all by the constitution's `priority`."""

    params: Params

    @classmethod
    def sees(cls, params: Any, constitution: Constitution) -> Sequence[Principle]:
        """All principles of the groups.  Raises `KeyError` for an unknown group, `UserError` without principles."""
        found = constitution.select(groups=params.groups)
        if not found:
            raise UserError(f"the constitution `{constitution.name}` has no principles to rank",
                            help="name a `constitution:` in the spec")  # fmt: skip
        return found

    @classmethod
    def ranks(cls, params: Any, constitution: Constitution) -> Mapping[str, int]:
        if params.groups is not None:
            return {name: rank for rank, name in enumerate(params.groups, start=1)}
        return {group.name: group.priority for group in constitution.by_priority()}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        own = ("same_position", "logit_bias", "mean_p_first", "chosen_first", "agreement")
        return (*super().figures(params), *own, "after.chosen_longer")

    def apply(self, rows: Sequence[Vote], given: Given) -> Applied:
        from constitutional.builtin.debiasers.bias import measured
        from constitutional.builtin.math.figures import generator, share

        rules, tiers = self.params.rules, self._tiers(given.constitution)
        decided: list[tuple[Ballot, Belief]] = []
        counted: Counter[str] = Counter()
        for ballot in ballots_of(rows):
            name, belief = first_that_decides(ballot, tiers, rules)
            decided.append((ballot, belief))
            counted[name] += belief.p_first is not None
        by = {name: share([True] * counted[name] + [False] * (counted.total() - counted[name]),
                          generator(given.seed, "priority", name)) for name, _ in tiers}  # fmt: skip
        return labelled(rows, decided, {**measured(decided, rules, given.seed), "decided_by": by})

    def _tiers(self, constitution: Constitution) -> Sequence[Tier]:
        """Groups by rank, those of one rank together."""
        ranks = self.ranks(self.params, constitution)
        tiers = []
        for rank in sorted(set(ranks.values())):
            groups = [name for name in ranks if ranks[name] == rank]
            ids = frozenset(p.id for p in constitution.principles if p.group in groups)
            tiers.append((" and ".join(groups), ids))
        return tiers


def first_that_decides(ballot: Ballot, tiers: Sequence[Tier], rules: Rules) -> tuple[str, Belief]:
    """The name of the first tier whose principles support a belief, and the belief; or why the first asked did not."""
    why: str | None = None
    for name, ids in tiers:
        votes = [vote for vote in ballot.votes if vote.principle in ids]
        if not votes:
            continue
        belief = decide(Ballot(ballot.pair, votes), rules)
        if belief.p_first is not None:
            return name, belief
        why = belief.reason if why in (None, NO_VOTE) else why
    return "", Belief(None, why or UNRANKED)
