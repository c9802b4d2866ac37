"""A row as a person would want to read it: prompt, answers, critiques, revisions, votes; strangers' text made safe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from constitutional.text import printable

#: Columns that are told in a form of their own, or not at all.
_TOLD = {
    "row_id",
    "parents",
    "prompt",
    "completion",
    "chosen",
    "rejected",
    "first",
    "second",
    "rounds",
    "critique",
    "meta",
}
_INDENT = "    "


def tell(row: Mapping[str, Any]) -> Iterator[str]:
    """Lines that show one row."""
    yield f"row {row['row_id']}"
    yield from _dialogue(row.get("prompt") or ())
    rounds = row.get("rounds") or ()
    if rounds:
        yield from _rounds(rounds)
    for name in ("completion", "chosen", "rejected", "first", "second", "critique"):
        if row.get(name):
            yield from _text(_label(name, row, rounds), _content(row[name]))
    yield from _rest(row)


def _dialogue(turns: Sequence[Mapping[str, str]]) -> Iterator[str]:
    for turn in turns:
        yield from _text(turn["role"], turn["content"])


def _rounds(rounds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for number, told in enumerate(rounds, start=1):
        before = "first answer" if number == 1 else f"answer before round {number}"
        yield from _text(before, told["response"])
        yield from _text(f"critique {number} ({told['principle']})", told["critique"])
        yield from _text(
            f"revision {number}", told["revision"] if told["revision"] is not None else "(kept: nothing to criticise)"
        )


def _label(name: str, row: Mapping[str, Any], rounds: Sequence[Any]) -> str:
    if name == "completion":
        return "final answer" if rounds else "answer"
    if name == "critique":
        return f"critique ({row.get('principle')})"
    if name == "chosen" and row.get("p_chosen") is not None:
        return f"chosen (p = {row['p_chosen']:.3f})"
    return {"first": "answer 1", "second": "answer 2"}.get(name, name)


def _content(value: Any) -> str:
    return value if isinstance(value, str) else "\n".join(turn["content"] for turn in value)


def _text(label: str, text: str) -> Iterator[str]:
    first, *more = printable(text).split("\n") or [""]
    yield f"  {label}: {first}"
    yield from (_INDENT + line for line in more)


def _rest(row: Mapping[str, Any]) -> Iterator[str]:
    for name, value in row.items():
        if name not in _TOLD and value not in (None, "", [], ()):
            shown = f"{value:.4f}" if isinstance(value, float) else str(value)
            yield f"  {name}: {printable(shown)}"
    if row.get("meta") and row["meta"] != "{}":
        yield f"  meta: {printable(str(row['meta']))}"
