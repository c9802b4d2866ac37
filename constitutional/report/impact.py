"""Which rows, labels and training examples of a run a change of its constitution touches.

A row is touched where it met a principle whose text changed, where it would now draw another one, or where it was made
from a touched row.  A trainer with one touched example trains anew, and with it everything that asks its model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from constitutional.constitution.diff import Change
from constitutional.constitution.draw import draw
from constitutional.constitution.model import Constitution, Principle
from constitutional.stage import FATES
from constitutional.store.folder import RunFolder
from constitutional.store.lineage import Table, tables

_Columns: TypeAlias = Mapping[str, Sequence[Any]]
#: The principles that each row drew in each round.
_Met: TypeAlias = Mapping[tuple[str, int], Sequence[str]]


@dataclass(slots=True)
class Touched:
    """What becomes of one step."""

    step: str
    stage: str
    #: Rows that it gave, of all its outputs but those of rows that ended there.
    rows: int = 0
    #: Rows that met a principle whose text changed.
    said: int = 0
    #: Rows that would now draw another principle, or give theirs another weight.
    moved: int = 0
    #: Rows made from touched rows.
    follow: int = 0
    #: Touched rows that ended there, such as votes that led to no label.
    ended: int = 0
    #: Why all of it is done again.
    whole: str = ""
    #: Rows that go into a trainer: touched, and all.
    training: tuple[int, int] | None = None
    #: Whether the draw of this stage is not the usual one, so that moved rows are not known.
    guessed: bool = False

    @property
    def touched(self) -> int:
        return self.rows if self.whole else self.said + self.moved + self.follow

    @property
    def again(self) -> bool:
        return bool(self.whole or self.touched or self.ended or (self.training and self.training[0]))

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            name: getattr(self, name) for name in ("step", "stage", "rows", "said", "moved", "follow", "whole")
        }
        trained = (
            {}
            if self.training is None
            else {"training_examples": dict(zip(("touched", "all"), self.training, strict=True))}
        )
        return {**said, "touched": self.touched, **trained, "guessed": self.guessed}


@dataclass(slots=True)
class _Look:
    """One walk through the steps of a run, in their order."""

    run: RunFolder
    old: Constitution
    new: Constitution
    changes: Mapping[str, Change]
    needs: Mapping[str, Iterable[str]]
    #: Ids of touched rows.
    ids: set[str] = field(default_factory=set)
    found: dict[str, Touched] = field(default_factory=dict)

    def step(self, name: str, said: Mapping[str, Any], own: Sequence[Table]) -> Touched:
        made = self.found[name] = Touched(name, said["stage"], training=self._training(said))
        trainer = said["stage"].startswith("trainer/")
        again = [n for n in self.needs.get(name, said.get("needs", ())) if self._remade(n)]
        if again:
            made.whole = f"{', '.join(again)} is trained anew"
        elif trainer and made.training and made.training[0]:
            made.whole = "its training examples change"
        elif said["stage"].startswith("evaluator/") and self._sees_a_change(said):
            made.whole = "it looks at all principles"
        elif said["parts"].get("params", {}).get("principles") == "all" and self._sees_an_addition(said):
            made.whole = "it asks by every principle, and there is a new one"
        for table in own:
            self._table(made, said, table)
        return made

    def _remade(self, name: str) -> bool:
        step = self.found.get(name)
        return step is not None and step.stage.startswith("trainer/") and step.again

    def _training(self, said: Mapping[str, Any]) -> tuple[int, int] | None:
        """Touched and all rows among the inputs of a trainer."""
        if not said["stage"].startswith("trainer/"):
            return None
        given = {
            (fingerprint, output)
            for several in said["parts"].get("inputs", {}).values()
            for fingerprint, output, _ in several
        }
        tables_in = [t for t in tables(self.run) if (self._fingerprint(t.step), t.output) in given]
        counts = [(self._touched_rows(t), len(_column(t, "row_id"))) for t in tables_in]
        return sum(c[0] for c in counts), sum(c[1] for c in counts)

    def _fingerprint(self, step: str) -> str:
        return str(self.run.manifest()["steps"][step]["fingerprint"])

    def _touched_rows(self, table: Table) -> int:
        made = self.found.get(table.step)
        ids = _column(table, "row_id")
        return len(ids) if made is not None and made.whole else sum(id in self.ids for id in ids)

    def _sees_a_change(self, said: Mapping[str, Any]) -> bool:
        seen = said["parts"].get("principles", {})
        return bool(seen) and any(c.said or c.drawn for c in self.changes.values() if c.id in seen or c.kind == "added")

    def _sees_an_addition(self, said: Mapping[str, Any]) -> bool:
        among = {p.id for p in _Redraw(said["parts"], self.old, self.new).among(self.new)}
        return any(change.kind == "added" and change.id in among for change in self.changes.values())

    def _table(self, made: Touched, said: Mapping[str, Any], table: Table) -> None:
        if table.output in FATES:
            ids = zip(_column(table, "row_id"), _column(table, "parents"), strict=True)
            made.ended += sum(id in self.ids or not self.ids.isdisjoint(parents or ()) for id, parents in ids)
            return
        columns = {name: _column(table, name) for name in ("row_id", "parents", "principle", "rounds", "weight")}
        made.rows += len(columns["row_id"])
        draws = bool(said["parts"].get("principles")) and bool(columns["principle"])
        redraw = _Redraw(said["parts"], self.old, self.new) if draws else None
        met = _met(columns) if draws else {}
        made.guessed = made.guessed or (redraw is not None and not redraw.reproduces(met))
        for index, id in enumerate(columns["row_id"]):
            parents = columns["parents"][index] or () if columns["parents"] else ()
            if made.whole or id in self.ids or any(parent in self.ids for parent in parents):
                made.follow += not made.whole
                self.ids.add(id)
            elif redraw is not None:
                change = self.changes.get(columns["principle"][index])
                if change is not None and change.said:
                    made.said += 1
                    self.ids.add(id)
                elif self._moves(change, columns, index, met, None if made.guessed else redraw):
                    made.moved += 1
                    self.ids.add(id)

    def _moves(self, change: Change | None, columns: _Columns, index: int, met: _Met, redraw: _Redraw | None) -> bool:
        """Whether a row would draw another principle now, or give this one another weight."""
        if change is not None and (change.kind == "removed" or (change.weight and columns["weight"])):
            return True
        return redraw is not None and redraw.leaves(columns["principle"][index], _draw_of(columns, index), met)


@dataclass(slots=True)
class _Redraw:
    """The draw of a step, done again by both constitutions."""

    parts: Mapping[str, Any]
    old: Constitution
    new: Constitution

    def reproduces(self, met: _Met, most: int = 50) -> bool:
        """Whether the old constitution gives what was recorded; looked at for the first few rows."""
        first = list(met.items())[:most]
        return all(set(self._ids(self.old, key, len(set(ids)))) == set(ids) for key, ids in first)

    def leaves(self, principle: str, key: tuple[str, int], met: _Met) -> bool:
        """Whether a row that drew this principle would not draw it by the new constitution."""
        return principle not in self._ids(self.new, key, len(set(met[key])))

    def _ids(self, constitution: Constitution, key: tuple[str, int], k: int) -> list[str]:
        among = self.among(constitution)
        k = len(among) if self.parts["params"].get("principles") == "all" else k
        return [p.id for p in draw(among, self.parts["seed"], key[0], key[1], k)] if among else []

    def among(self, constitution: Constitution) -> list[Principle]:
        """The principles that this step would draw from."""
        params = self.parts["params"]
        groups, ids = params.get("groups"), params.get("principles")
        ids = ids if isinstance(ids, list) else None
        all_of_them = constitution.select(draw=params.get("draw", "weight"))
        drawn = [p for p in all_of_them if p.weight > 0 and p.id != params.get("without")]
        return [p for p in drawn if (groups is None or p.group in groups) and (ids is None or p.id in ids)]


def impact(
    run: RunFolder, old: Constitution, new: Constitution, changes: Sequence[Change],
    needs: Mapping[str, Iterable[str]] | None = None,
) -> list[Touched]:  # fmt: skip
    """What becomes of each step of a run; `needs` names the steps that each step needs, where a plan knows better."""
    look = _Look(run, old, new, {change.id: change for change in changes}, needs or {})
    known = tables(run)
    return [
        look.step(name, said, [table for table in known if table.step == name])
        for name, said in run.manifest().get("steps", {}).items()
    ]


def _draw_of(columns: _Columns, index: int) -> tuple[str, int]:
    """The row that drew, and in which round."""
    rounds = len(columns["rounds"][index] or ()) if columns["rounds"] else 0
    parents = columns["parents"][index] or ("",)
    return parents[0], rounds


def _met(columns: _Columns) -> dict[tuple[str, int], list[str]]:
    """The principles that each draw gave."""
    found: dict[tuple[str, int], list[str]] = {}
    for index, principle in enumerate(columns["principle"]):
        found.setdefault(_draw_of(columns, index), []).append(principle)
    return found


def _column(table: Table, name: str) -> Sequence[Any]:
    import pyarrow.parquet as pq

    if name not in pq.read_schema(table.path).names:
        return []
    column: Sequence[Any] = pq.read_table(table.path, columns=[name]).column(name).to_pylist()
    return column
