"""Lint rules over a constitution: what they say, less what its authors or the caller switched off."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from constitutional.constitution.model import Constitution
from constitutional.diagnostic import Diagnostic, Span, in_order
from constitutional.source import LintRule

#: Said of an `ignore:` that nothing needs.
UNUSED = "unused-ignore"


def lint(constitution: Constitution, rules: Sequence[type[LintRule]], ignore: Collection[str] = ()) -> list[Diagnostic]:
    """What the rules find, in the order of the file.

    `ignore` switches rules off by code.  The file's own `ignore:` does so with a reason: at the top for the whole, at a
    principle for what points at it.  One that suppresses nothing is found too.
    """
    found = [said for rule in rules for said in rule().check(constitution) if said.code not in ignore]
    used: set[tuple[str, str]] = set()
    left = [said for said in found if not _suppressed(said, constitution, used)]
    known = {rule.code for rule in rules}
    if UNUSED not in ignore:
        left += _unused(constitution, used, known, ignore)
    return in_order(left)


def as_errors(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The same findings, as errors."""
    return [Diagnostic(d.code, d.message, d.span, d.label, d.secondary, d.help, "error") for d in found]


def _suppressed(said: Diagnostic, constitution: Constitution, used: set[tuple[str, str]]) -> bool:
    spans = [said.span, *(other.span for other in said.secondary)]
    for id, reasons in constitution.ignored.items():
        if said.code in reasons and (not id or any(_within(span, constitution, id) for span in spans)):
            used.add((id, said.code))
            return True
    return False


def _within(span: Span, constitution: Constitution, id: str) -> bool:
    """Whether a place lies in a principle: between the first and the last line of what it writes."""
    places = [place for place in constitution.places.get(id, {}).values() if place.source is span.source]
    return bool(places) and min(p.line for p in places) <= span.line <= max(p.end_line for p in places)


def _unused(
    constitution: Constitution, used: set[tuple[str, str]], known: set[str], ignore: Collection[str]
) -> Iterator[Diagnostic]:
    for id, reasons in constitution.ignored.items():
        for code in reasons:
            if (id, code) in used or code in ignore:
                continue
            what = "finds nothing here" if code in known else "is no rule that is loaded"
            place = constitution.at(id, "ignore")
            yield Diagnostic(UNUSED, f"`{code}` is ignored, but {what}", place, help="remove it", severity="warning")
