"""Debiasers as steps: each a pure function of rows that stands alone as a stage, and can follow others in `compose`."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

from constitutional.api import (
    MAIN,
    Ahead,
    Constitution,
    Fate,
    Flow,
    Forecast,
    Inputs,
    JsonObject,
    Outputs,
    Port,
    Preference,
    Rating,
    Record,
    Rows,
    Vote,
    WholeContext,
    WholeStage,
    derived_row_id,
)
from constitutional.builtin.debiasers import audit as audited
from constitutional.builtin.debiasers.audit import Audit
from constitutional.builtin.debiasers.belief import unit

WRITE_PREFERENCES = "`constitutional audit import --preferences FILE` writes preferences"
#: Judgments, of which one that comes twice must not count twice.
SAID = (Vote, Rating)


class Given(NamedTuple):
    """What a step may know besides its rows."""

    audit: Audit
    constitution: Constitution
    seed: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What a step makes of rows.  Each row that went in is a source of one that comes out, or has ended; never both.

    Rows that go on keep their `row_id`; ids and parents of new ones are set where a stage ends.
    """

    rows: Sequence[Any]
    #: For each row, the places of the rows it was made from.
    sources: Sequence[tuple[int, ...]]
    #: How the other rows ended, by their places.
    ended: Mapping[int, tuple[Fate, str]] = field(default_factory=dict)
    figures: JsonObject = field(default_factory=dict)


def passed(rows: Iterable[Any], figures: JsonObject | None = None) -> Applied:
    """Every row goes on, one for one."""
    made = list(rows)
    return Applied(made, [(place,) for place in range(len(made))], {}, figures or {})


def kept(rows: Sequence[Any], ended: Mapping[int, tuple[Fate, str]], figures: JsonObject | None = None) -> Applied:
    """All rows but those that ended go on."""
    places = [place for place in range(len(rows)) if place not in ended]
    return Applied([rows[place] for place in places], [(place,) for place in places], ended, figures or {})


class Debiaser(WholeStage):
    """Base of all steps.  The first port of `takes` is the one that rows flow in by."""

    kind = "debiaser"
    #: Record types that may flow in.
    on: ClassVar[tuple[type[Record], ...]]
    #: What comes out; None where it is what came in.
    makes: ClassVar[type[Record] | None] = None
    #: How rows end that do not go on; they are the output of that name.
    ends: ClassVar[Fate | None] = None

    @abstractmethod
    def apply(self, rows: Sequence[Any], given: Given) -> Applied:
        """The step itself: a function of its arguments, in whatever order the rows come.

        Raises `DataError` where rows cannot be what they claim to be.
        """

    @classmethod
    def gives(cls, params: Any) -> Mapping[str, Flow]:
        given = Record if "rows" in cls.takes else cls.on[0]
        return {MAIN: cls.makes or given, **({cls.ends: given} if cls.ends else {})}

    @classmethod
    def figures(cls, params: Any) -> Sequence[str]:
        return ("coverage", "after.accuracy", "after.brier", "after.ece")

    @classmethod
    def check_inputs(cls, params: Any, flows: Mapping[str, Sequence[Flow]]) -> Iterable[tuple[str, str]]:
        port = next(iter(cls.takes))
        wrong = {flow for flow in flows.get(port, ()) if not issubclass(flow, cls.on)}
        for flow in sorted(wrong, key=lambda one: one.__name__):
            yield port, f"`{cls.name}` takes {one_of(cls.on)}, not {flow.__name__}"
        yield from wrong_audit(flows)

    @classmethod
    def forecast(cls, params: Any, ahead: Ahead) -> Forecast:
        rows = ahead.rows(next(iter(cls.takes)))
        fewer = Rows(rows.count.or_less(), rows.prompt, rows.said)
        return Forecast(dict.fromkeys([MAIN, *([cls.ends] if cls.ends else [])], fewer))

    def run(self, inputs: Inputs, ctx: WholeContext) -> Outputs:
        rows, ended = _once(list(inputs.rows(next(iter(self.takes)))))
        voted = {row.principle for row in rows if isinstance(row, Vote)}
        given = Given(Audit(inputs.rows("audit") if "audit" in self.takes else (), voted), ctx.constitution, ctx.seed)
        there = [place for place in range(len(rows)) if place not in ended]
        applied = self.apply([rows[place] for place in there], given)
        ended |= {there[place]: fate for place, fate in applied.ended.items()}
        outputs: dict[str, Iterable[Record]] = {MAIN: self._made(applied, [rows[place] for place in there])}
        if self.ends:
            outputs[self.ends] = [rows[place] for place in sorted(ended) if ended[place][0] == self.ends]
        fates: Counter[tuple[Fate, str]] = Counter(ended.values())
        fates["kept", ""] += sum(len(sources) for sources in applied.sources)
        return Outputs(rows=outputs, figures=summary(rows, applied, given, self.name),
                       fates={fate: count for fate, count in fates.items() if count})  # fmt: skip

    def _made(self, applied: Applied, rows: Sequence[Record]) -> Iterator[Record]:
        seen: Counter[tuple[str, ...]] = Counter()
        for row, sources in zip(applied.rows, applied.sources, strict=True):
            parents = tuple(sorted(rows[place].row_id for place in sources))
            yield identified(row, f"{self.kind}/{self.name}", parents, seen[parents])
            seen[parents] += 1


def identified(row: Any, path: str, parents: tuple[str, ...], index: int = 0) -> Any:
    """A row with its parents, and the id that follows from them; the sides of a preference are part of it."""
    content = {"chosen": row.chosen, "rejected": row.rejected} if isinstance(row, Preference) else None
    return replace(row, row_id=derived_row_id(path, parents, index, content), parents=parents)


def summary(rows: Sequence[Record], applied: Applied, given: Given, label: str) -> JsonObject:
    """`coverage` (pairs, responses or rows that go on, of all), what rows lean towards before and after, and more."""
    from constitutional.builtin.debiasers.profile import profile
    from constitutional.builtin.math.figures import generator, share

    lasting = {unit(rows[place]) for sources in applied.sources for place in sources}
    hits = [one in lasting for one in dict.fromkeys(unit(row) for row in rows)]
    return {
        "coverage": share(hits, generator(given.seed, "coverage")),
        "before": profile(rows, given.audit, given.seed, f"{label}/before"),
        "after": profile(applied.rows, given.audit, given.seed, f"{label}/after"),
        **applied.figures,
    }


def one_of(records: Iterable[type[Record]]) -> str:
    """`Vote, Preference or Score`."""
    *first, last = [record.__name__ for record in records]
    return f"{', '.join(first)} or {last}" if first else last


def wrong_audit(flows: Mapping[str, Sequence[Flow]]) -> Iterator[tuple[str, str]]:
    """Says so where an audited sample is not made of verdicts."""
    from constitutional.api import Score

    for flow in flows.get("audit", ()):
        if not issubclass(flow, (Preference, Score)):
            said = f"`audit` takes verdicts of people, Preference or Score, not {flow.__name__}"
            yield "audit", said + (f"; {WRITE_PREFERENCES}" if flow is Vote else "")


def many(record: type[Record], about: str) -> Mapping[str, Port]:
    """The ports of a step that takes one type of record, under that record's name, and an audited sample."""
    return {record.port: Port(record, many=True, about=about), "audit": audited.PORT}


def any_of(*records: type[Record]) -> Mapping[str, Port]:
    """The ports of a step that takes several types of records."""
    return {
        "rows": Port(Record, many=True, about=" or ".join(record.port for record in records)),
        "audit": audited.PORT,
    }


def _once(rows: Sequence[Record]) -> tuple[Sequence[Record], dict[int, tuple[Fate, str]]]:
    """Judgments that came before end here; other rows may be twins on purpose."""
    ended: dict[int, tuple[Fate, str]] = {}
    seen: set[str] = set()
    for place, row in enumerate(rows):
        if isinstance(row, SAID):
            if row.row_id in seen:
                ended[place] = ("dropped", f"duplicate {row.port.removesuffix('s')}")
            seen.add(row.row_id)
    return rows, ended
