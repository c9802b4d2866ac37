"""What each principle did in a run: drawn, found, changed, won, and how it goes with the others.

Read from the rows of finished steps.  Intervals are Wilson's at 95 %, which take rows for independent: several rows of
one prompt are not, quite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from constitutional.store.folder import RunFolder
from constitutional.store.lineage import Table, rows, tables


@dataclass(slots=True)
class Deeds:
    """One principle: counts as (hits, n)."""

    id: str
    drawn: int = 0
    violations: Counter[bool] = field(default_factory=Counter)
    changed: Counter[bool] = field(default_factory=Counter)
    #: Whether both orders of a pair could be read.
    judged: Counter[bool] = field(default_factory=Counter)
    won: Counter[bool] = field(default_factory=Counter)
    agrees: Counter[bool] = field(default_factory=Counter)
    decisive: Counter[bool] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        names = ("violations", "changed", "won", "agrees", "decisive")
        figures = {name: _figure(getattr(self, name)) for name in names}
        return {"drawn": self.drawn, "judged": self.judged[True], "unjudged": self.judged[False], **figures}


@dataclass(slots=True)
class _Judged:
    """One pair before all its principles: log-odds of its first answer by each, and their weights."""

    first: str
    margins: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)

    def side(self, without: str | None = None, only: str | None = None) -> int:
        """1 where the first answer wins, -1 where the second does, 0 where neither."""
        chosen = [id for id in self.margins if id != without and only in (None, id)]
        total = sum(self.margins[id] * self.weights[id] for id in chosen)
        return (total > _EVEN) - (total < -_EVEN)


_EVEN = 1e-9


def deeds(run: RunFolder) -> dict[str, Deeds]:
    """The deeds of every principle that a step of the run saw, by id."""
    known = tables(run)
    seen = [id for said in run.manifest().get("steps", {}).values() for id in said["parts"].get("principles", {})]
    found = {id: Deeds(id) for id in dict.fromkeys(seen)}
    for table in known:
        if table.stage.startswith("critic/"):
            _critiques(table, found)
        elif table.stage.startswith("reviser/"):
            _revisions(table, found)
    seen_before: set[tuple[str, str, str]] = set()
    for table in known:
        if table.stage.startswith("labeller/") and table.flow == "votes":
            _votes(table, _labels_of(table, known, run), found, seen_before)
    return found


def _of(found: dict[str, Deeds], id: str) -> Deeds:
    return found.setdefault(id, Deeds(id))


def _critiques(table: Table, found: dict[str, Deeds]) -> None:
    for row in rows(table):
        if row.get("principle"):
            one = _of(found, row["principle"])
            one.drawn += 1
            one.violations[bool(row["violation"])] += 1


def _revisions(table: Table, found: dict[str, Deeds]) -> None:
    """The last round of each row is this step's own."""
    for row in rows(table):
        if row.get("rounds"):
            last = row["rounds"][-1]
            revision = last["revision"]
            new = revision is not None and revision.split() != last["response"].split()
            _of(found, last["principle"]).changed[new] += 1


# -- votes -----------------------------------------------------------------------------------------------------------


def _labels_of(votes: Table, known: Sequence[Table], run: RunFolder) -> Mapping[str, str]:
    """Vote id -> the chosen answer, of the labels that were made straight from these votes."""
    steps = run.manifest()["steps"]
    made = steps[votes.step]["fingerprint"]
    chosen: dict[str, str] = {}
    for table in known:
        inputs = steps[table.step]["parts"].get("inputs", {}).get("votes", [])
        if table.flow == "preferences" and any(fingerprint == made for fingerprint, *_ in inputs):
            for row in rows(table):
                text = row["chosen"] if isinstance(row["chosen"], str) else row["chosen"][-1]["content"]
                chosen |= dict.fromkeys(row["parents"] or (), text)
    return chosen


def _votes(
    table: Table, chosen: Mapping[str, str], found: dict[str, Deeds], seen_before: set[tuple[str, str, str]]
) -> None:
    """Count what one labeller asked; what another cell of a matrix asked the same judge already counts once."""
    pairs: dict[str, _Judged] = {}
    labels: dict[str, str] = {}
    orders: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows(table):
        pair = pairs.setdefault(row["pair"], _Judged(row["first"]))
        pair.weights[row["principle"]] = row["weight"] if row["weight"] is not None else 1.0
        said = orders.setdefault((row["pair"], row["principle"], row["judge"]), {})
        if row["p_first"] is not None:
            said.setdefault(row["order"], []).append(row["p_first"])
        if row["row_id"] in chosen:
            labels[row["pair"]] = chosen[row["row_id"]]
    new: dict[str, set[str]] = {}
    for (pair_id, principle, judge), said in orders.items():
        margin = _margin(said)
        if margin is not None:
            pairs[pair_id].margins[principle] = margin
        if (pair_id, principle, judge) not in seen_before:
            one = _of(found, principle)
            one.drawn += 1
            one.judged[margin is not None] += 1
            new.setdefault(pair_id, set()).add(principle)
    for pair_id, ids in new.items():
        _count(pairs[pair_id], ids, labels.get(pair_id), found)
    seen_before.update(orders)


def _margin(said: Mapping[str, Sequence[float]]) -> float | None:
    """Log-odds of the pair's first answer, both orders averaged; None where one is missing."""
    from constitutional.builtin.math.agreement import content_preference
    from constitutional.builtin.math.probability import logit, mean

    if "ab" not in said or "ba" not in said:
        return None
    return content_preference(mean(map(logit, said["ab"])), mean(map(logit, said["ba"])))


def _count(judged: _Judged, ids: set[str], label: str | None, found: dict[str, Deeds]) -> None:
    whole = judged.side()
    for id in ids & judged.margins.keys():
        own, others = judged.side(only=id), judged.side(without=id)
        if label is not None and own:
            found[id].won[(own > 0) == (label == judged.first)] += 1
        if len(judged.margins) > 1:
            if own and others:
                found[id].agrees[own == others] += 1
            if whole:
                found[id].decisive[others != whole] += 1


def _figure(counted: Mapping[bool, int]) -> dict[str, Any]:
    from constitutional.builtin.math.figures import figure, nothing
    from constitutional.builtin.math.statistics import wilson

    n = counted[True] + counted[False]
    return figure(wilson(counted[True], n), n, "Wilson") if n else nothing()


def as_json(found: Iterable[Deeds]) -> dict[str, Any]:
    return {one.id: one.to_json() for one in found}
