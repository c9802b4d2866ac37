"""How diagnostics look."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.spec.render import WIDTH, crop, render, summary
from constitutional.spec.text import Diagnostic, Label, Source, Span, in_order
from constitutional.text import display_width

SOURCE = Source("bad.yaml", "stages:\n  draft: {prompts: atacks}\n", Path())
WRONG = Diagnostic("unknown-name", "Nothing is called `atacks`", SOURCE.span(2, 20, 6), "did you mean `attacks`?")


def test_the_form_for_people() -> None:
    assert render([WRONG]) == (
        "error[unknown-name]: Nothing is called `atacks`\n"
        " --> bad.yaml:2:20\n"
        "  |\n"
        "2 |   draft: {prompts: atacks}\n"
        "  |                    ^^^^^^ did you mean `attacks`?\n"
    )


def test_one_line_each() -> None:
    assert render([WRONG], "short") == (
        "bad.yaml:2:20: error[unknown-name]: Nothing is called `atacks` (did you mean `attacks`?)\n"
    )


def test_github_commands_cannot_be_forged() -> None:
    evil = Diagnostic("syntax", "a\n::error::b%", Source("x:,\n.yaml", "a", Path()).span())
    assert render([evil], "github") == "::error file=x%3A%2C .yaml,line=1,col=1,title=syntax::a ::error::b%25\n"


def test_json_has_everything() -> None:
    (found,) = json.loads(render([WRONG], "json"))
    assert (found["file"], found["line"], found["column"], found["end_column"]) == ("bad.yaml", 2, 20, 26)
    assert found["code"] == "unknown-name"


def test_colour_only_if_asked() -> None:
    assert "\x1b" not in render([WRONG])
    assert "\x1b[31m" in render([WRONG], color=True)


def test_nothing_that_drives_a_terminal_comes_through() -> None:
    evil = Source("a\x1b]0;x.yaml", "k\x1b[2J: \u202ev\x9b", Path())
    also = (Label(evil.span(1, 1), "s\x1b"),)
    shown = render([Diagnostic("syntax", "m\x1b", evil.span(1, 2, 3), "l\x07", also, "h\x9b")])
    assert not set(shown) & set("\x1b\x9b\u202e\x07")


def test_wide_characters_take_two_columns() -> None:
    source = Source("w.yaml", "名前: x", Path())
    assert crop(source.span(1, 5, 1)) == ("名前: x", 6, 1)
    assert crop(source.span(1, 1, 2)) == ("名前: x", 0, 4)


@pytest.mark.timeout(20)
def test_a_place_that_leaves_no_room_for_what_follows_is_cropped_too() -> None:
    for before in range(1, 2 * WIDTH):
        for long in (WIDTH - 40, WIDTH - 20, WIDTH, 2 * WIDTH):
            shown, indent, width = crop(
                Source("s.yaml", "a" * before + "b" * long + "c" * 9, Path()).span(1, before + 1, long)
            )
            assert indent + width <= len(shown) <= WIDTH


def test_long_lines_are_cropped_around_the_place() -> None:
    source = Source("l.yaml", "a" * 500 + "HERE" + "b" * 500, Path())
    shown, indent, width = crop(source.span(1, 501, 4))
    assert shown[indent : indent + width] == "HERE"
    assert display_width(shown) <= WIDTH


@given(st.text(st.characters(exclude_characters="\r\n"), max_size=300), st.integers(1, 310), st.integers(0, 310))
def test_any_place_in_any_line_can_be_shown(line: str, column: int, length: int) -> None:
    source = Source("x.yaml", line, Path())
    shown, indent, width = crop(source.span(1, column, length))
    assert width >= 1
    assert indent <= max(WIDTH, column * 8)
    assert "\x1b" not in shown
    render([Diagnostic("syntax", "m", Span(source, 1, column, 1, column + length))])


def test_order_is_that_of_the_file_and_each_is_shown_once() -> None:
    early = Diagnostic("syntax", "m", SOURCE.span(1, 1))
    assert in_order([WRONG, early, WRONG]) == [early, WRONG]


def test_the_last_line_counts() -> None:
    warning = Diagnostic("syntax", "m", SOURCE.span(), severity="warning")
    assert summary([WRONG, WRONG, warning]) == "2 errors, 1 warning"
    assert summary([]) == "no errors"


def test_what_looks_like_a_secret_is_starred_out() -> None:
    text = "key: sk-abcdef123456 # hf_abcdefgh and https://me:hunter22@host/"
    shown, indent, width = crop(Source("s.yaml", text, Path()).span(1, 6, 15))
    assert shown == "key: sk-************ # hf_******** and https://me:********@host/"
    assert (indent, width) == (5, 15)
    assert "abcdef" not in render([Diagnostic("syntax", text, SOURCE.span())], "json")
