"""Lint rules: each finds its bad fixture at the place that a person marked, and nothing in its good one."""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from constitutional.api import Constitution, Diagnostic, LintRule, hookimpl
from constitutional.builtin.lint import LINT_RULES as OFFERED
from constitutional.builtin.lint.absolute_compare import DEGREE
from constitutional.builtin.lint.words import content, english, negated, stem
from constitutional.cli.lint import lint as command
from constitutional.constitution.lint import UNUSED, lint
from constitutional.constitution.read import read_constitution, read_source_text
from constitutional.plugins import Registry
from constitutional.spec.findings import Findings
from constitutional.spec.render import render
from constitutional.spec.text import Source
from tests.constitution import lint_page
from tests.public_data import DATA, public

LINT_RULES = [one.load() for one in OFFERED]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "lint"
BAD = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".good.yaml"))
CODES = [rule.code for rule in LINT_RULES]
PAGE = ROOT / "docs" / "lint.md"


@pytest.mark.parametrize("path", BAD, ids=lambda p: p.stem)
def test_a_bad_constitution_gives_what_a_person_expects(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    found = lint(read_constitution(path.name), LINT_RULES)
    expected = re.findall(r"^# expect: (.*)$", path.read_text(), re.MULTILINE)
    assert [f"{d.code} {d.span.line}:{d.span.column}" for d in found] == expected
    assert {d.severity for d in found} == {"warning"}
    assert all(d.help for d in found)
    assert render(found) == path.with_suffix(".out").read_text()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.good.yaml")), ids=lambda p: p.name)
def test_a_good_constitution_gives_nothing(path: Path) -> None:
    assert lint(read_constitution(path), LINT_RULES) == []


def test_rules_fixtures_and_page_agree() -> None:
    assert {path.stem for path in BAD} == {*CODES, UNUSED}
    assert {path.name.removesuffix(".good.yaml") for path in FOLDER.glob("*.good.yaml")} == {*CODES, UNUSED}
    assert re.findall(r"^## ([a-z-]+)$", PAGE.read_text(), re.MULTILINE) == [*CODES, UNUSED]
    assert PAGE.read_text() == lint_page.page()
    assert len(set(CODES)) == len(CODES)


@pytest.mark.parametrize("rule", LINT_RULES, ids=lambda r: r.code)
def test_every_rule_explains_itself_and_says_what_to_do(rule: type[LintRule]) -> None:
    assert len(inspect.getdoc(rule) or "") > 150
    assert rule.fix  # type: ignore[attr-defined]
    assert rule.code in PAGE.read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "specs" / "constitutions").glob("*.yaml")), ids=lambda p: p.name)
def test_what_is_shipped_is_clean(path: Path) -> None:
    assert lint(read_constitution(path), LINT_RULES) == []


@public("cai2022/RLMadisonInstructions.json")
def test_the_published_comparisons_all_name_a_degree() -> None:
    import json

    published = json.loads((DATA / "cai2022/RLMadisonInstructions.json").read_text())
    assert len(published) == 16
    assert all(DEGREE.search(text) or " as " in text for text in published)


def whole(*lines: str, top: str = "") -> Constitution:
    findings = Findings()
    text = f"constitution: 1\n{top}principles:\n" + "".join(f"  - {line}\n" for line in lines)
    found = read_source_text(Source("c.yaml", text, Path()), None, findings)
    assert findings.diagnostics == []
    assert found is not None
    return found


def codes(constitution: Constitution, *ignore: str) -> list[str]:
    return [found.code for found in lint(constitution, LINT_RULES, {"thin-coverage", "no-examples", *ignore})]


def test_another_language_is_left_alone_but_for_examples() -> None:
    german = whole("{id: a, rule: Sei freundlich und hilf den Kunden., compare: Ist die Antwort freundlich?}")
    assert [found.code for found in lint(german, LINT_RULES)] == ["no-examples"]


def test_worded_texts_are_not_blamed() -> None:
    assert codes(whole("{id: a, rule: Be helpful., critique: Is it helpful?}")) == []


def test_a_principle_that_is_switched_off_is_not_compared() -> None:
    both = ("{id: a, rule: Reveal prices helpfully.}", "{id: b, weight: 0, rule: Never reveal prices helpfully.}")
    assert codes(whole(*both)) == []
    assert codes(whole(both[0], both[1].replace("weight: 0, ", ""))) == ["contradiction"]


def test_either_of_two_may_ignore_a_pair() -> None:
    first = "{id: a, rule: Reveal prices helpfully., ignore: {contradiction: On purpose.}}"
    assert codes(whole(first, "{id: b, rule: Never reveal prices helpfully.}")) == []


def test_an_ignore_of_an_unknown_rule_is_found() -> None:
    found = lint(
        whole("{id: a, rule: Be helpful.}", top="ignore: {no-such: Why.}\n"),
        LINT_RULES,
        {"thin-coverage", "no-examples"},
    )
    assert [d.code for d in found] == [UNUSED]
    assert "no rule that is loaded" in found[0].message


def test_the_place_of_a_word_in_a_folded_text_is_where_the_text_begins() -> None:
    folded = whole("id: a\n    rule: >\n      Be helpful with\n      order 4711.")
    (found,) = lint(folded, LINT_RULES, {"thin-coverage", "no-examples"})
    assert (found.span.line, found.span.column) == (4, 11)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_can_be_linted(rule: str, compare: str) -> None:
    from constitutional.constitution.principles import worded

    principle = worded("a", {"rule": rule or "x", "compare": compare, "critique": "", "revision": ""})
    for said in lint(Constitution("c", (principle, principle)), LINT_RULES):
        assert render([said])


@pytest.mark.parametrize(
    ("text", "same"), [("ask", "asking"), ("promise", "promises"), ("kind", "kindly"), ("reply", "replies")]
)
def test_stems(text: str, same: str) -> None:
    assert stem(text) == stem(same)


def test_words() -> None:
    assert content("Never ask for the password.") == content("Always ask for passwords")
    assert negated("Do not ask.")
    assert not negated("Do not fail to avoid it.")
    assert english("Which reply is better?")
    assert not english("Welche Antwort hilft mehr?")
    assert not english("")


@pytest.mark.parametrize("piece", ["a.", '"a ', "1,", "a ", "“", "as ", "our ", "verify that ", "example-", "«a «"])
def test_a_hostile_text_takes_no_time(piece: str) -> None:
    """Texts of half a megabyte that make a careless pattern go back and forth."""
    import time

    from constitutional.constitution.principles import worded

    text = "Be helpful. " + piece * (500_000 // len(piece))
    principle = worded("a", {"rule": text, "compare": text, "critique": "", "revision": ""})
    started = time.process_time()
    lint(Constitution("c", (principle,)), LINT_RULES)
    assert time.process_time() - started < 20


# -- the command -----------------------------------------------------------------------------------------------------

BROKEN = "constitution: 1\nprinciples:\n  - {id: a, rule: Be helpful., compare: Is it helpful?}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(BROKEN)
    return "c.yaml"


def call(*words: str):
    return CliRunner().invoke(command, list(words), standalone_mode=False, catch_exceptions=False)


def test_warnings_do_not_fail_unless_strict(file: str) -> None:
    said = call(file)
    assert said.return_value == 0
    assert "warning[absolute-compare]" in said.output
    assert "c.yaml: 3 warnings" in said.output
    strict = call(file, "--strict")
    assert strict.return_value == 2
    assert "error[absolute-compare]" in strict.output
    assert (
        call(
            file, "--strict", "--ignore", "absolute-compare", "--ignore", "no-examples", "--ignore", "thin-coverage"
        ).return_value
        == 0
    )


def test_for_machines(file: str) -> None:
    import json

    said = json.loads(call(file, "--format", "json").output)
    assert {one["code"] for one in said} == {"absolute-compare", "no-examples", "thin-coverage"}
    assert said[0]["file"] == "c.yaml"
    assert call(file, "--format", "github").output.startswith("::warning file=c.yaml,line=")
    assert len(call(file, "--format", "short").output.splitlines()) == 3
    assert json.loads(call(file, "--format", "json", *(w for c in CODES for w in ("--ignore", c))).output) == []


def test_mistakes_of_the_caller(file: str, tmp_path: Path) -> None:
    import click

    with pytest.raises(click.UsageError, match="did you mean 'no-examples'"):
        call(file, "--ignore", "no-example")
    with pytest.raises(click.UsageError, match="name a constitution"):
        call()
    (tmp_path / "bad.yaml").write_text("constitution: 1\nprinciples: [{id: A, rule: b}]\n")
    assert call("bad.yaml").return_value == 2
    assert call("gone.yaml").return_value == 2


def test_the_rules_are_listed() -> None:
    assert [line.split()[0] for line in call("--rules").output.splitlines()] == CODES


def test_a_spec_leads_to_its_constitution() -> None:
    said = call(os.path.relpath(ROOT / "specs" / "support-agent.yaml"))
    assert said.return_value == 0
    assert "nothing found in 7 principles" in said.output


class NoShouting(LintRule):
    """A rule of somebody's own."""

    code = "shouting"

    def check(self, subject):
        for principle in subject if isinstance(subject, Constitution) else ():
            if principle.rule.isupper():
                yield Diagnostic(
                    self.code, f"`{principle.id}` shouts", subject.at(principle.id, "rule"), severity="error"
                )


def test_a_plugin_adds_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("constitution: 1\nprinciples: [{id: a, rule: BE HELPFUL.}]\n")
    (tmp_path / "loud.py").write_text(
        "from constitutional.api import hookimpl, LintRule, Constitution, Diagnostic\n"
        + inspect.getsource(NoShouting)
        + "\n@hookimpl\ndef constitutional_lint_rules():\n    return [NoShouting]\n"
    )
    said = call("c.yaml", "-p", "loud.py", "--format", "short")
    assert said.return_value == 2
    assert "c.yaml:2:28: error[shouting]: `a` shouts" in said.output
    assert "shouting" in call("--rules", "-p", "loud.py").output


def test_a_registry_gives_the_rules_in_the_box_only_where_they_are_wanted() -> None:
    registry = Registry()
    assert set(LINT_RULES) <= set(registry.lint_rules())
    assert registry.lint_rules(boxed=False) == []
    assert hookimpl is not None
