"""Checks: what they find, what they leave, and that a stranger's text or pattern cannot stall them."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.builtin.checks.code import CodeCheck, blocks_of
from constitutional.builtin.checks.length import LengthCheck
from constitutional.builtin.checks.outcome import MOST_TEXT, Check, Outcome, lacking, looked
from constitutional.builtin.checks.pattern import PatternCheck
from constitutional.builtin.checks.personal import PersonalCheck

INSECURE = "import subprocess\nsubprocess.call(input(), shell=True){}\n"


def look(check: Check, text: str) -> Outcome:
    return asyncio.run(looked(check, text))


def pattern(text: str, **values: object) -> PatternCheck:
    return PatternCheck(check="pattern", pattern=text, **values)  # type: ignore[arg-type]


def personal(**values: object) -> PersonalCheck:
    return PersonalCheck(check="personal", **values)  # type: ignore[arg-type]


def code(**values: object) -> CodeCheck:
    return CodeCheck(check="code", **values)  # type: ignore[arg-type]


# -- patterns --------------------------------------------------------------------------------------------------------


def test_a_pattern_must_match_or_must_not() -> None:
    assert look(pattern("(?i)password"), "Your PASSWORD, please").passed is False
    assert look(pattern("(?i)password", must="match"), "Your PASSWORD, please").passed is True
    assert look(pattern("password"), "reset link").passed is True
    assert look(pattern("ü+"), "aüüb").found == [{"start": 1, "end": 3}]


@pytest.mark.parametrize("evil", ["(a*)*b", "(a|a)*b", "(a+)+$", "(.*a){20}", "([a-z]+)*!"])
def test_no_pattern_runs_away(evil: str) -> None:
    began = time.monotonic()
    look(pattern(evil), "a" * MOST_TEXT)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("bad", ["(?=x)", r"(a)\1", "(", "a{5000}", "(?P<x", "((a{100}){100}){100}"])
def test_what_is_no_pattern_is_said(bad: str) -> None:
    assert "no regular expression of RE2" in (pattern(bad).trouble() or "")
    assert pattern("x+").trouble() is None


def test_texts_too_long_or_no_texts_are_not_found_out() -> None:
    assert look(pattern("x"), "a" * (MOST_TEXT + 1)) == Outcome(None, "text of more than 100,000 characters")
    assert look(pattern("x"), "a\ud800") == Outcome(None, "lone surrogates, which are no text")


# -- length ----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=40), st.integers(0, 20), st.integers(0, 20))
def test_lengths(text: str, least: int, more: int) -> None:
    check = LengthCheck(check="length", least=least, most=least + more)
    assert look(check, text).passed == (least <= len(text) <= least + more)


def test_words_and_bounds_that_mean_nothing() -> None:
    assert look(LengthCheck(check="length", most=2, unit="words"), " one  two\nthree").passed is False
    assert look(LengthCheck(check="length", least=3, unit="words"), " one  two\nthree").passed is True
    assert LengthCheck(check="length").trouble()
    assert LengthCheck(check="length", least=3, most=2).trouble()
    assert LengthCheck(check="length", least=3).trouble() is None


# -- personal data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "sort"), [
    ("write to nora.lane+x@mail.example.com now", "email"), ("call (212) 555-0142 today", "phone"), ("+44 20 7946 0958", "phone"),
    ("card 4111 1111 1111 1111.", "card"), ("4111-1111-1111-1111", "card"), ("378282246310005", "card"),
    ("to DE89 3704 0044 0532 0130 00 BY FRIDAY", "iban"), ("GB29NWBK60161331926819", "iban"), ("SSN 536-90-4399", "ssn"),
])  # fmt: skip
def test_personal_data_is_found(text: str, sort: str) -> None:
    said = look(personal(), text)
    assert said.passed is False
    assert sort in {found["sort"] for found in said.found}


@pytest.mark.parametrize("text", [
    "order 4711 of 2024-05-01", "4111 1111 1111 1112", "DE88 3704 0044 0532 0130 00", "SSN 000-12-3456", "9 a.m. @ home", "",
    "x@y", "version 1.2.3.4", "tracking 123456789012",
])  # fmt: skip
def test_what_fails_its_own_rules_is_no_personal_data(text: str) -> None:
    assert look(personal(), text) == Outcome(True, None, [])


def test_sorts_regions_and_what_may_stand_there() -> None:
    assert look(personal(sorts=("ip",)), "at 192.168.1.77 and 999.1.1.1").found == [
        {"sort": "ip", "start": 3, "end": 15}
    ]
    assert look(personal(sorts=("email",)), "(212) 555-0142").passed is True
    assert look(personal(region=None), "(212) 555-0142").passed is True
    assert look(personal(region="GB"), "call 020 7946 0958").passed is False
    assert look(personal(allow=("help@desk.example.com",)), "help@desk.example.com").passed is True
    assert "no country" in (personal(region="XX").trouble() or "")
    assert personal().trouble() is None


def test_the_evidence_is_places_and_never_the_data() -> None:
    said = look(personal(), "card 4111 1111 1111 1111")
    assert list(said.found) == [{"sort": "card", "start": 5, "end": 24}]


@given(st.text(alphabet="0123456789 -DE@.a", max_size=200))
def test_any_text_is_looked_at(text: str) -> None:
    for found in look(personal(sorts=("email", "phone", "card", "iban", "ssn", "ip")), text).found:
        assert 0 <= int(str(found["start"])) < int(str(found["end"])) <= len(text)


def test_long_texts_take_little() -> None:
    began = time.monotonic()
    for text in ("4111 " * 20_000, "DE89 " * 20_000, "a@a." * 25_000, "2125550142 " * 9_000):
        look(personal(), text[:MOST_TEXT])
    assert time.monotonic() - began < 60


# -- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "codes"), [
    ("no code", []), ("```python\nx = 1\n```", ["x = 1\n"]), ("```\nx\n```\n~~~py\ny\n~~~", ["x\n", "y\n"]), ("```sh\nls\n```", []),
    ("```python\nx = '''\n````\n", ["x = '''\n"]), ("````\n```\nx\n````", ["```\nx\n"]), ("```python\n```", []), ("```py\nz", ["z\n"]),
])  # fmt: skip
def test_blocks_of_code(text: str, codes: list[str]) -> None:
    assert [block.code for block in blocks_of(text)] == codes


@given(st.text(alphabet="`~py\n x", max_size=80))
def test_any_text_has_blocks_or_none(text: str) -> None:
    assert all(block.code.strip() for block in blocks_of(text))


def test_insecure_code_is_found_and_never_run(tmp_path) -> None:  # type: ignore[no-untyped-def]
    canary = tmp_path / "ran"
    text = f"Here:\n```python\nopen({str(canary)!r}, 'w')\n{INSECURE.format('')}```"
    said = look(code(severity="high"), text)
    assert said.passed is False
    assert said.found == [{"test": "B602", "severity": "HIGH", "line": 3}]
    assert not canary.exists()


def test_a_comment_of_the_author_silences_nothing() -> None:
    assert look(code(), f"```python\n{INSECURE.format('  # nosec')}```").passed is False


def test_code_that_is_sound_or_absent_passes() -> None:
    assert look(code(), "```python\nprint(1 + 1)\n```").passed is True
    assert look(code(), "use a reset link").passed is True
    assert look(code(severity="high"), "```python\nassert x\n```").passed is True


def test_code_that_does_not_parse_is_not_found_out() -> None:
    assert look(code(), "```python\ndef (:\n```") == Outcome(None, "code that is no Python")
    assert look(code(), "```\n$ ls -la\n```").passed is True
    deep = "```python\nx = " + "(" * 5000 + ")" * 5000 + "\n```"
    assert look(code(), deep).passed is None


def test_bandit_has_a_time_limit() -> None:
    began = time.monotonic()
    assert look(code(seconds=0.01), "```python\nx = 1\n```") == Outcome(None, "bandit took longer than 0.01 s")
    assert time.monotonic() - began < 10


def test_a_library_that_is_not_there_is_named() -> None:
    assert "constitutional[rules]" in (lacking("no_such_module", "this") or "")
