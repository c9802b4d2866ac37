"""Diagnostics for people and for machines.

The form for people is that of ty and rustc: the message, the place, the line itself with carets, further places that
explain it, and what to do.  Carets follow the width of characters on a terminal; long lines are cropped around them;
whatever could drive a terminal is shown escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from constitutional.spec.text import Diagnostic, Span, in_order
from constitutional.text import display_width, printable

Format: TypeAlias = Literal["full", "short", "json", "github"]

#: Columns of source shown around a caret before a line is cropped.
WIDTH: Final = 100
_LEAD: Final = 20
_TAB: Final = "    "
_SECRET: Final = re.compile(
    r"((?<![A-Za-z0-9])(?:sk-|hf_|ghp_|github_pat_|AKIA)|(?<=://)[^\s:/@]+:)([A-Za-z0-9_.~-]{4,})"
)

_RED, _BLUE, _YELLOW, _BOLD, _RESET = "\x1b[31m", "\x1b[34m", "\x1b[33m", "\x1b[1m", "\x1b[0m"


def render(diagnostics: Iterable[Diagnostic], format: Format = "full", *, color: bool = False) -> str:
    """All diagnostics in file order, in one of the four forms; ends with a newline unless there are none."""
    found = in_order(diagnostics)
    if format == "json":
        return json.dumps([as_json(one) for one in found], indent=2, ensure_ascii=False) + "\n"
    paint = _paint if color else _leave
    write: Callable[[Diagnostic], str] = {"short": short, "github": github}.get(format, lambda one: full(one, paint))
    gap = "\n" if format == "full" else ""
    return gap.join(write(one) + "\n" for one in found)


def short(found: Diagnostic) -> str:
    """One line: `bad.yaml:11:14: error[unknown-name]: ...`."""
    hint = f" ({found.label})" if found.label.startswith("did you mean") else ""
    return _flat(f"{found.span}: {found.severity}[{found.code}]: {found.message}{hint}")


def github(found: Diagnostic) -> str:
    """A workflow command that puts the message beside the line in a pull request."""
    span, words = found.span, [found.message, found.label, found.help or ""]
    text = ". ".join(_flat(word) for word in words if word)
    place = f"file={_property(span.source.name)},line={span.line},col={span.column}"
    return f"::{found.severity} {place},title={found.code}::{_escape(text)}"


def as_json(found: Diagnostic) -> dict[str, object]:
    """The diagnostic as plain values, for editors and scripts."""
    return {
        "code": found.code,
        "severity": found.severity,
        "message": masked(found.message),
        **_place(found.span),
        "label": found.label,
        "help": found.help,
        "secondary": [{**_place(other.span), "label": other.text} for other in found.secondary],
    }


def full(found: Diagnostic, paint: Callable[[str, str], str] | None = None) -> str:
    """The form for people, many lines, without a final newline."""
    paint = paint or _leave
    spans = [found.span, *(other.span for other in found.secondary)]
    margin = _Margin(max(len(str(span.line)) for span in spans), paint)
    tone = _RED if found.severity == "error" else _YELLOW
    lines = [paint(f"{found.severity}[{found.code}]", tone + _BOLD) + paint(f": {_flat(found.message)}", _BOLD)]
    lines += _excerpt(found.span, found.label, "^", "-->", margin, tone)
    for other in found.secondary:
        lines += [margin.bar(), *_excerpt(other.span, other.text, "-", ":::", margin, _BLUE)]
    if found.help:
        lines += [margin.bar(), f"{margin.blank} {paint('=', _BLUE)} help: {_flat(found.help)}"]
    return "\n".join(lines)


# -- pieces ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Margin:
    """The column of line numbers."""

    width: int
    paint: Callable[[str, str], str]

    @property
    def blank(self) -> str:
        return " " * self.width

    def bar(self) -> str:
        return self.paint(f"{self.blank} |", _BLUE)

    def numbered(self, number: int) -> str:
        return self.paint(f"{number:>{self.width}} |", _BLUE)


def _excerpt(span: Span, label: str, mark: str, arrow: str, margin: _Margin, tone: str) -> list[str]:
    shown, indent, width = crop(span)
    head = f"{margin.blank}{margin.paint(arrow, _BLUE)} {_flat(str(span))}"
    if not span.source.text:
        return [head] if not label else [head, f"{margin.blank} = {_flat(label)}"]
    marks = margin.paint(mark * width + (f" {_flat(label)}" if label else ""), tone)
    text = f"{margin.numbered(span.line)} {shown}".rstrip()
    return [head, margin.bar(), text, f"{margin.bar()} {' ' * indent}{marks}"]


def crop(span: Span) -> tuple[str, int, int]:
    """The line of a span as it is shown, the columns before the carets, and the number of carets."""
    line = masked(span.source.line(span.line).rstrip())
    end = span.end_column if span.end_line == span.line else len(line) + 1
    start, end = span.column - 1, max(span.column, min(end, len(line) + 1) - 1)
    before, marked, after = _shown(line[:start]), _shown(line[start:end]), _shown(line[end:])
    before += " " * (start - len(line))
    if display_width(before + marked + after) <= WIDTH:
        return before + marked + after, display_width(before), max(1, display_width(marked))
    if display_width(before) > WIDTH // 2:
        before = "…" + _last(before, _LEAD)
    marked = _first(marked, WIDTH - display_width(before) - 2)
    room = WIDTH - display_width(before) - display_width(marked)
    return before + marked + _first(after, room), display_width(before), max(1, display_width(marked))


def _first(text: str, room: int) -> str:
    """As much of the beginning as fits, with an ellipsis where something is left out."""
    if display_width(text) <= room:
        return text
    text = text[: max(room, 0)]
    while text and display_width(text) > room - 1:
        text = text[:-1]
    return text + "…" if room > 0 else ""


def _last(text: str, room: int) -> str:
    text = text[-room:]
    while display_width(text) > room:
        text = text[1:]
    return text


def _shown(text: str) -> str:
    return printable(text.replace("\t", _TAB))


def _flat(text: str) -> str:
    return " ".join(printable(masked(text)).split("\n"))


def masked(text: str) -> str:
    """The text with everything that looks like a secret starred out, as long as before: output ends up in logs."""
    return _SECRET.sub(lambda found: found[1] + "*" * len(found[2]), text)


def _place(span: Span) -> dict[str, object]:
    return {"file": span.source.name, "line": span.line, "column": span.column,
            "end_line": span.end_line, "end_column": span.end_column}  # fmt: skip


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escape(_flat(text)).replace(":", "%3A").replace(",", "%2C")


def _paint(text: str, tone: str) -> str:
    return f"{tone}{text}{_RESET}"


def _leave(text: str, tone: str) -> str:
    return text


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """The last line for people: `3 errors, 1 warning`."""
    errors = sum(found.severity == "error" for found in diagnostics)
    counts = [(errors, "error"), (len(diagnostics) - errors, "warning")]
    return ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts if n) or "no errors"
