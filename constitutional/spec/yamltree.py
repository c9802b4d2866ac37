"""YAML text -> a tree in which every key and value knows its place.

Built from PyYAML's events, not from its loader, so that positions are exact, duplicate keys are seen, and nothing
recurses: text from a stranger costs bounded time and memory and ends in a tree or in diagnostics.  Scalars follow the
YAML 1.2 core schema (`1e-5` is a number; `no`, `on` and `12:30` are words; `017` is seventeen).  There are no tags, no
merge keys and one document.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from constitutional.ids import Json
from constitutional.spec.syntax import syntax_error
from constitutional.spec.text import Diagnostic, Label, Source, Span

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000
MAX_EXPANDED: Final = 100_000

Atom: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A text, number, truth value or null; `text` is what is written, `plain` whether it is written without quotes."""

    span: Span
    value: Atom
    text: str
    plain: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """A sequence."""

    span: Span
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One key of a mapping, with its value.  The name of a key is its text, also where it looks like a number."""

    key: Scalar
    value: Node

    @property
    def name(self) -> str:
        return self.key.text


@dataclass(frozen=True, slots=True, eq=False)
class MapNode:
    """A mapping, each key once, in the order of the file."""

    span: Span
    entries: tuple[Entry, ...]

    def entry(self, name: str) -> Entry | None:
        return next((e for e in self.entries if e.name == name), None)

    def get(self, name: str) -> Node | None:
        found = self.entry(name)
        return found.value if found else None


Node: TypeAlias = Scalar | ListNode | MapNode


def plain(node: Node) -> Json:
    """The values alone."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return {entry.name: plain(entry.value) for entry in node.entries}


def read_source(path: Path, name: str | None = None) -> Source | Diagnostic:
    """The text of a file, or why it cannot be had.  `name` is what people see; the path if left out."""
    shown = Source(name or str(path), "", path.parent)
    try:
        if path.exists() and not path.is_file():
            return Diagnostic("unreadable", f"Cannot read {path}: it is not a file", shown.span())
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Diagnostic("unreadable", f"Cannot read {path}: {reason}", shown.span())
    if len(content) > MAX_BYTES:
        return Diagnostic("too-large", f"{path} is larger than 1 MiB", shown.span(), help="move data into data files")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace").split("\n")
        message = f"Byte 0x{content[error.start]:02x} is not UTF-8"
        place = shown.span(len(before), len(before[-1]) + 1)
        return Diagnostic("encoding", message, place, help="save the file as UTF-8")
    return Source(shown.name, text, path.parent)


def parse(source: Source, text: str | None = None) -> tuple[Node | None, list[Diagnostic]]:
    """The tree of a text, and what is wrong with it; None where nothing could be made of it.

    `text` replaces the source's own where only a part of it is YAML; places must stay where they are.
    """
    text = source.text if text is None else text
    if len(text) > MAX_BYTES:
        return None, [Diagnostic("too-large", "The text is larger than 1 MiB", source.span())]
    unfit = _FORBIDDEN.search(text)
    if unfit:
        return None, [_bad_character(_place(source, unfit.start()), unfit[0])]
    builder = _Builder(source)
    try:
        builder.read(text)
    except _Stop:
        pass
    except yaml.YAMLError as error:
        builder.diagnostics.append(syntax_error(source, error))
    else:
        if builder.root is None and not builder.diagnostics:
            builder.report("empty", "There is nothing in this file", source.span())
    sound = builder.root if not builder.open else None
    return sound, builder.diagnostics


# -- scalars ---------------------------------------------------------------------------------------------------------

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_UNFIT_VALUE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ENDLESS = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: Final[dict[str, Atom]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_DIGITS: Final = 40
_PROPERTIES = re.compile(r"(?:[&!][^\s]*[ ]+)+")
_TAG = re.compile(r"![^\s,\[\]{}]*")


def resolve(text: str) -> Atom:
    """What an unquoted scalar means in the YAML 1.2 core schema.

    Raises:
        ValueError: for numbers that are infinite, not numbers, or beyond 64 bits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError("is too large for a number")
        return value
    if _ENDLESS.fullmatch(text):
        raise ValueError("is not a finite number")
    return text


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    value = int(text, base) if len(text) <= _DIGITS else 1 << 64
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError("does not fit into 64 bits")
    return value


# -- events ----------------------------------------------------------------------------------------------------------


class _Stop(Exception):
    """Reading must end here; the reason is among the diagnostics."""


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is still open."""

    span: Span
    mapping: bool
    anchor: str | None
    items: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    key: Scalar | None = None
    awaits_value: bool = False
    seen: dict[str, Span] = field(default_factory=dict)
    #: Nodes below, with aliases counted as if written out, and how deep they go.
    size: int = 1
    height: int = 1


@dataclass(frozen=True, slots=True)
class _Anchored:
    node: Node
    size: int
    height: int


class _Builder:
    """Turns events into nodes with a stack of its own."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.root: Node | None = None
        self.open: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._documents = 0

    def report(self, code: str, message: str, span: Span, label: str = "", help: str | None = None) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, label, help=help))

    def stop(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        self.report(code, message, span, help=help)
        raise _Stop

    def read(self, text: str) -> None:
        """Take in all of the text; raises `_Stop`, and what PyYAML raises."""
        for event in _events(text):
            if isinstance(event, yaml.ScalarEvent):
                self._count(event)
                self._add(self._scalar(event), event.anchor, 1, 0)
            elif isinstance(event, yaml.AliasEvent):
                self._count(event)
                self._alias(event)
            elif isinstance(event, yaml.CollectionStartEvent):
                self._count(event)
                self._start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._end(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self._document(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self.stop("documents", "A second document begins here", self._span(event), help="one file, one spec")

    def _count(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self.stop("too-large", f"More than {MAX_NODES:,} values", self._span(event), "move data into data files")
        tag = getattr(event, "tag", None)
        if tag is not None:
            self.report("tag", "A spec has no tags", self._tag(event), "remove the tag")

    def _scalar(self, event: Any) -> Scalar:
        span = self._span(event)
        unfit = _UNFIT_VALUE.search(event.value)
        if unfit:
            self.diagnostics.append(_bad_character(span, unfit[0]))
            return Scalar(span, "", "", plain=False)
        text = unicodedata.normalize("NFC", event.value)
        is_key = bool(self.open) and self.open[-1].mapping and not self.open[-1].awaits_value
        bare = event.style in (None, "") and event.tag is None
        if is_key or not bare:
            return Scalar(span, text, text, plain=bare)
        try:
            return Scalar(span, resolve(text), text)
        except ValueError as error:
            self.report("bad-number", f"`{text:.40}` {error}", span, help="put it in quotes if it is meant as text")
            return Scalar(span, 0, text)

    def _start(self, event: Any) -> None:
        span = self._span(event)
        if len(self.open) >= MAX_DEPTH:
            self.stop("too-deep", f"Nested more than {MAX_DEPTH} deep", span)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)
        self.open.append(_Frame(_one_line(span), mapping, event.anchor))

    def _end(self, event: Any) -> None:
        frame = self.open.pop()
        span = frame.span
        if event.start_mark.line + 1 == span.line and event.end_mark.column > span.column:
            span = Span(span.source, span.line, span.column, span.line, event.end_mark.column + 1)
        node = MapNode(span, tuple(frame.entries)) if frame.mapping else ListNode(span, tuple(frame.items))
        self._add(node, frame.anchor, frame.size, frame.height)

    def _alias(self, event: Any) -> None:
        span = self._span(event)
        found = self._anchors.get(event.anchor)
        if found is None:
            inside = any(frame.anchor == event.anchor for frame in self.open)
            what = "contains this very place" if inside else "is not written anywhere before"
            self.report("bad-alias", f"The anchor `&{event.anchor}` {what}", span)
            self._add(Scalar(span, None, "", plain=False), None, 1, 0)
            return
        if len(self.open) + found.height > MAX_DEPTH:
            self.stop("too-deep", f"Nested more than {MAX_DEPTH} deep, aliases written out", span)
        self._add(_moved(found.node, span), None, found.size, found.height)

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, size, height)
        if not self.open:
            self.root = node
            return
        frame = self.open[-1]
        frame.size += size
        frame.height = max(frame.height, height + 1)
        if frame.size > MAX_EXPANDED:
            self.stop("alias-bomb", f"Aliases written out make more than {MAX_EXPANDED:,} values", node.span)
        if not frame.mapping:
            frame.items.append(node)
        elif not frame.awaits_value:
            frame.key, frame.awaits_value = self._key(frame, node), True
        else:
            if frame.key is not None:
                frame.entries.append(Entry(frame.key, node))
            frame.awaits_value = False

    def _key(self, frame: _Frame, node: Node) -> Scalar | None:
        """The key if it may be used; what is wrong with it is reported."""
        if not isinstance(node, Scalar) or not node.text:
            self.report("bad-key", "A key must be a plain text", node.span)
            return None
        if node.text == "<<" and node.plain:
            help = "use `extends:`, or repeat the keys"
            self.report("merge-key", "YAML 1.2 has no merge key `<<`", node.span, help=help)
            return None
        first = frame.seen.setdefault(node.text, node.span)
        if first is node.span:
            return node
        label = Label(first, "first time")
        message = f"`{node.text}` is written twice here"
        self.diagnostics.append(Diagnostic("duplicate-key", message, node.span, "second time", (label,)))
        return None

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        skip = self._properties(event)
        return Span(self.source, start.line + 1, start.column + 1 + skip, end.line + 1, end.column + 1)

    def _properties(self, event: Any) -> int:
        """Length of the anchor and tag that stand before a value on its line."""
        if getattr(event, "anchor", None) is None or isinstance(event, yaml.AliasEvent):
            return 0
        start = event.start_mark
        found = _PROPERTIES.match(self.source.line(start.line + 1), start.column)
        return found.end() - start.column if found and found.end() < len(self.source.line(start.line + 1)) else 0

    def _tag(self, event: Any) -> Span:
        start = event.start_mark
        found = _TAG.search(self.source.line(start.line + 1), start.column)
        if found is None:
            return self._span(event)
        return self.source.span(start.line + 1, found.start() + 1, len(found[0]))


def _events(text: str) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[Any] = yaml.parse(text, Loader=loader)
    return events


def _one_line(span: Span) -> Span:
    """The first line of a span: all that is shown of a block."""
    if span.end_line == span.line and span.end_column > span.column:
        return span
    end = max(len(span.source.line(span.line).rstrip()), span.column) + 1
    return Span(span.source, span.line, span.column, span.line, end)


def _moved(node: Node, span: Span) -> Node:
    """The same node, at the place where an alias uses it."""
    if isinstance(node, Scalar):
        return Scalar(span, node.value, node.text, node.plain)
    return ListNode(span, node.items) if isinstance(node, ListNode) else MapNode(span, node.entries)


def _bad_character(span: Span, character: str) -> Diagnostic:
    message = f"The character U+{ord(character):04X} is not allowed"
    return Diagnostic("bad-character", message, span, help="remove it; it is invisible in most editors")


def _place(source: Source, index: int) -> Span:
    before = source.text[:index].replace("\r\n", "\n").replace("\r", "\n")
    return source.span(before.count("\n") + 1, len(before) - before.rfind("\n"))
