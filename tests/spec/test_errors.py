"""Every broken spec gives exactly the errors that a person expected, at the places that a person marked."""

from __future__ import annotations

import pytest

from constitutional.errors import SpecError
from constitutional.spec.codes import CODES
from tests.spec.fixtures import FOLDER, PAGES, Fixture, fixtures, page, rendered

ALL = fixtures()


@pytest.mark.parametrize("fixture", ALL, ids=lambda f: f.path.stem)
def test_a_broken_spec_says_what_is_wrong_and_where(fixture: Fixture) -> None:
    found, text = rendered(fixture)
    places = [
        f"{d.code} {d.span.line}:{d.span.column}"
        if d.span.source.name.endswith((".yaml", ".yml"))
        else f"{d.code} {d.span}"
        for d in found
    ]
    assert places == list(fixture.expect), text
    assert text == fixture.out.read_text(encoding="utf-8")


def test_the_error_of_a_spec_is_the_users() -> None:
    assert SpecError.exit_code == 2


def test_there_are_many_and_each_is_expected_by_a_person() -> None:
    assert len(ALL) >= 60
    assert all(fixture.expect for fixture in ALL)


def test_codes_fixtures_and_pages_agree() -> None:
    covered = {expected.split()[0] for fixture in ALL for expected in fixture.expect}
    assert covered == set(CODES)
    assert {path.stem for path in PAGES.glob("*.md")} - {"index"} == set(CODES)


def test_each_code_has_a_fixture_of_its_name() -> None:
    assert {fixture.code for fixture in ALL} - {""} == set(CODES)


def test_no_output_is_without_its_fixture() -> None:
    assert {path.stem for path in FOLDER.glob("*.out")} == {fixture.path.stem for fixture in ALL}


@pytest.mark.parametrize("code", CODES)
def test_a_page_shows_the_error_as_it_is(code: str) -> None:
    text = page(code).read_text(encoding="utf-8")
    assert f"```text\n{(FOLDER / f'{code}.out').read_text(encoding='utf-8')}```" in text
    assert CODES[code] in text
    assert "How to mend it" in text
    assert f"[{code}]({code}.md): {CODES[code]}" in (PAGES / "index.md").read_text(encoding="utf-8")
