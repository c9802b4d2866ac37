"""The reader of YAML: right values at right places, and nothing worse than a diagnostic for any text at all."""

from __future__ import annotations

import json
import time
import tracemalloc
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from constitutional.spec.codes import CODES
from constitutional.spec.render import render
from constitutional.spec.text import Source
from constitutional.spec.yamltree import (
    MAX_BYTES,
    Entry,
    ListNode,
    MapNode,
    Node,
    Scalar,
    parse,
    plain,
    read_source,
    resolve,
)


def source(text: str) -> Source:
    return Source("t.yaml", text, Path())


def value(text: str) -> Any:
    node, found = parse(source(text))
    assert found == []
    assert node is not None
    return plain(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-5", 1e-5),
        ("1e5", 1e5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5e+3", -500.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("+7", 7),
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("Off", "Off"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("2001-01-01", "2001-01-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("NULL", None),
        ("'null'", "null"),
        ('"1"', "1"),
        ("=", "="),
        ("0b11", "0b11"),
        ("1e", "1e"),
        (".", "."),
        ("-", None),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, expected: object) -> None:
    if text == "-":
        assert value("a:\n  -") == {"a": [None]}
        return
    found = value(f"a: {text}")["a"]
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", [".inf", "-.inf", ".nan", "1e999", str(2**63), "9" * 5000, "0x" + "f" * 5000])
def test_numbers_that_nothing_can_keep_are_refused(text: str) -> None:
    _, found = parse(source(f"a: {text}"))
    assert [d.code for d in found] == ["bad-number"]


def test_every_node_knows_its_place() -> None:
    text = "a: 1\nbé:\n  - x\n  - {c: 'd e', f: [g]}\nh: |\n  text\n"
    node, _ = parse(source(text))
    places = {}

    def walk(at: Node) -> None:
        if isinstance(at, Scalar):
            places[at.text] = (at.span.line, at.span.column, at.span.end_column - at.span.column)
        elif isinstance(at, ListNode):
            for item in at.items:
                walk(item)
        else:
            for entry in at.entries:
                places["key " + entry.name] = (entry.key.span.line, entry.key.span.column, 0)
                walk(entry.value)

    assert node is not None
    walk(node)
    assert places["1"] == (1, 4, 1)
    assert places["key bé"] == (2, 1, 0)
    assert places["x"] == (3, 5, 1)
    assert places["key c"] == (4, 6, 0)
    assert places["d e"] == (4, 9, 5)
    assert places["g"] == (4, 20, 1)
    assert places["text\n"][:2] == (5, 4)


def test_an_alias_stands_where_it_is_used() -> None:
    node, found = parse(source("a: &x {b: 1}\nc: *x\n"))
    assert found == []
    assert isinstance(node, MapNode)
    used = node.get("c")
    assert used is not None
    assert (used.span.line, used.span.column) == (2, 4)
    assert plain(used) == {"b": 1}


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    found = read_source(path)
    assert isinstance(found, Source)
    assert value(found.text) == {"a": 1}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a: \xff\n", "encoding"),
        ("a: 1".encode("utf-16"), "encoding"),
        (b"a: \xed\xa0\x80", "encoding"),
        (b"x" * (MAX_BYTES + 1), "too-large"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    found = read_source(path)
    assert not isinstance(found, Source)
    assert found.code == code


def test_files_that_are_no_files(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone.yaml", Path("/dev/null/x"), Path("a\0b")):
        found = read_source(path)
        assert not isinstance(found, Source)
        assert found.code == "unreadable"


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


NASTY = {
    "ten megabytes of nesting": "[" * 10_000_000,
    "a megabyte of nesting": "[" * (MAX_BYTES - 1),
    "block nesting": "- " * 300_000,
    "mapping nesting": "{a: " * 200_000,
    "question marks": "? " * 300_000,
    "alias bomb": bomb(9),
    "alias of itself": "a: &a [*a]",
    "anchor of a key": "&a a: *a",
    "anchors": "&a " * 200_000,
    "tags": "!a " * 200_000,
    "python tag": "!!python/object/apply:os.system ['echo no']",
    "many keys": "".join(f"k{i}: v\n" for i in range(60_000)),
    "one long word": "a" * 1_000_000,
    "one long quote": "a: '" + "''" * 400_000 + "'",
    "open quote": "a: '" + "b\n" * 300_000,
    "long block": "a: |\n" + "  x\n" * 200_000,
    "comments": "#" * 1_000_000,
    "blank lines": "\n" * 1_000_000,
    "carriage returns": "a: 1\r" * 100_000,
    "tabs": "\t" * 100_000,
    "colons": ":" * 500_000,
    "colons and blanks": ": " * 300_000,
    "dashes": "-" * 500_000,
    "documents": "---\n" * 200_000,
    "directives": "%A\n" * 100_000,
    "commas": "[" + "," * 500_000,
    "long key": "? " + "a" * 500_000 + "\n: b",
    "same key": "a: 1\n" * 20_000,
    "lone surrogate": "a: \ud800",
    "escaped surrogate": 'a: "\\ud800"',
    "null character": "a: \0",
    "escape character": "a: \x1b[2J",
    "next line": "a: b\x85c: d",
    "five thousand digits": "a: " + "9" * 5000,
    "bad date": "a: 2001-99-99",
    "percent": "%",
    "at": "@",
    "backslash": "\\",
    "ampersand": "&",
    "star": "*",
    "exclamation": "!",
    "pipe": "|",
    "greater": ">",
    "brace": "}",
    "mixed brackets": "[}" * 1000,
    "merge": "<<: [{a: 1}, {b: 2}]",
}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_text_costs_little_and_ends_in_an_answer(name: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    node, found = parse(source(NASTY[name]))
    took = time.process_time() - began
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert node is not None or found
    assert {d.code for d in found} <= set(CODES)
    assert took < 20, "slow"
    assert most < 200_000_000, "large"
    assert render(found[:20]).count("\x1b") == 0


@given(st.text(max_size=400))
@example("a: !<tag:yaml.org,2002:str> b")
@example("- ? a\n  : - b\n   - c")
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    node, found = parse(source(text))
    assert node is not None or found
    for one in found:
        assert one.code in CODES
        assert 1 <= one.span.line <= len(one.span.source.lines)
        assert 1 <= one.span.column <= len(one.span.source.line(one.span.line)) + 2
    render(found)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t1.e~<$\\", max_size=60))
def test_any_punctuation_gives_a_tree_or_diagnostics(text: str) -> None:
    test_any_text_gives_a_tree_or_diagnostics.hypothesis.inner_test(text)  # type: ignore[attr-defined]


def printable_text() -> st.SearchStrategy[str]:
    letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Co", "Cn", "Zl", "Zp"))
    return st.text(letters, max_size=20).filter(lambda t: "\ufeff" not in t and unicodedata.is_normalized("NFC", t))


def keys() -> st.SearchStrategy[str]:
    return printable_text().filter(lambda t: t not in ("", "<<"))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable_text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys(), inner, max_size=4),
    max_leaves=20,
)


@given(TREES)
def test_json_is_read_as_what_it_says(tree: Any) -> None:
    """JSON is YAML 1.2, so whatever `json.dumps` writes must come back equal."""
    assert value(json.dumps({"a": tree}, ensure_ascii=False)) == {"a": tree}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_writes_is_a_number(number: float) -> None:
    assert resolve(repr(number)) == number


def test_tab_is_said_to_be_a_tab() -> None:
    _, found = parse(source("a:\n\tb: c"))
    assert [(d.code, d.span.line, d.span.column) for d in found] == [("tab", 2, 1)]


def test_all_duplicates_are_found_at_once() -> None:
    _, found = parse(source("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n"))
    assert [(d.span.line, d.span.column) for d in found] == [(2, 1), (3, 11), (4, 1)]
    assert all(d.secondary for d in found)


def test_the_slow_parser_agrees_with_the_fast_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    texts = ["a: [1, {b: c}]\n", "a: 'x'\nb: |\n  y\n", "a: &x 1\nb: *x\n", "a: b: c", "a:\n\t- b", "a: [1", 'a: "x']
    fast = [parse(source(text)) for text in texts]
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    slow = [parse(source(text)) for text in texts]
    for (one, found), (other, again) in zip(fast, slow, strict=True):
        assert (one and plain(one)) == (other and plain(other))
        assert [d.code for d in found] == [d.code for d in again]


def test_entries_are_found_by_name() -> None:
    at = source("a").span()
    node = MapNode(at, (Entry(Scalar(at, "a", "a"), Scalar(at, 1, "1")),))
    assert node.entry("b") is None
    assert node.get("a") is not None
