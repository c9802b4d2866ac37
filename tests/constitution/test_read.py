"""The constitution's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from constitutional.constitution.model import DEFAULT_GROUP, Constitution, Example, Support
from constitutional.constitution.read import read_constitution, read_source_text
from constitutional.errors import SpecError
from constitutional.spec.findings import Findings
from constitutional.spec.text import Source

FULL = """\
constitution: 1
name: support-agent
about: What a support agent may do.
groups:
  safety: {weight: 2, priority: 1, about: Comes first.}
  service: {priority: 2}
principles:
  - id: no-secrets
    group: safety
    weight: 3
    rule: The agent never asks for secrets.
    critique: Say where the reply asks for a secret.
    revision: Rewrite the reply so that it needs no secret.
    compare: Which reply asks for less?
    examples:
      - {prompt: I forgot my password., better: I can send a link., worse: What is your SSN?}
  - {id: polite, group: service, compare: "Which reply is more polite?"}
  - {id: off, group: service, weight: 0, rule: "Off."}
"""


def read(text: str) -> Constitution:
    findings = Findings()
    found = read_source_text(Source("c.yaml", text, Path()), None, findings)
    assert findings.diagnostics == []
    assert found is not None
    return found


def codes(text: str) -> list[str]:
    findings = Findings()
    read_source_text(Source("c.yaml", text, Path()), None, findings)
    return [found.code for found in findings.diagnostics]


def test_reads_everything() -> None:
    found = read(FULL)
    assert (found.name, len(found), found.groups["safety"].about) == ("support-agent", 3, "Comes first.")
    first = found["no-secrets"]
    assert first.rule == "The agent never asks for secrets."
    assert first.examples == (Example("I forgot my password.", "I can send a link.", "What is your SSN?"),)
    assert [group.name for group in found.by_priority()] == ["safety", "service"]


def test_a_groups_weight_multiplies_its_principles() -> None:
    assert [p.weight for p in read(FULL)] == [6.0, 1.0, 0.0]


def test_texts_that_are_left_out_are_worded_from_those_that_are_there() -> None:
    polite = read(FULL)["polite"]
    assert polite.rule == "Which reply is more polite?"
    assert polite.compare == "Which reply is more polite?"
    assert polite.rule in polite.critique
    assert polite.rule in polite.revision
    kind = read("constitution: 1\nprinciples:\n  - {id: kind, rule: Be kind.}\n")["kind"]
    assert "Be kind." in kind.critique
    assert "Be kind." in kind.compare
    assert kind.group == DEFAULT_GROUP


def test_groups_come_into_being_where_none_are_described() -> None:
    found = read("constitution: 1\nprinciples:\n  - {id: a, group: x, rule: A.}\n  - {id: b, rule: B.}\n")
    assert set(found.groups) == {"x", DEFAULT_GROUP}
    assert [p.id for p in found.select(groups=["x"])] == ["a"]


def test_the_digest_covers_what_a_prompt_can_see_and_nothing_else() -> None:
    before = read(FULL)["no-secrets"]
    for old, new in (
        ("weight: 3", "weight: 4"),
        ("What is your SSN?", "Tell me."),
        ("about: Comes first.", "about: x"),
    ):
        assert read(FULL.replace(old, new))["no-secrets"].digest() == before.digest()
    for old, new in (
        ("never asks", "seldom asks"),
        ("Say where", "Say how"),
        ("Rewrite", "Write"),
        ("for less?", "least?"),
    ):
        assert read(FULL.replace(old, new))["no-secrets"].digest() != before.digest()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["empty"]),
        ("a", ["wrong-shape"]),
        ("constitution: 2\nprinciples: [{id: a, rule: b}]", ["bad-value"]),
        ("constitution: 1", ["missing-key"]),
        ("constitution: 1\nprinciples: []", ["missing-key"]),
        ("constitution: 1\nprinciples: {a: b}", ["wrong-shape"]),
        ("constitution: 1\nprinciples: [a]", ["wrong-shape"]),
        ("constitution: 1\nprinciples: [{id: 3, rule: b}]", ["wrong-shape"]),
        ("constitution: 1\nprinciples: [{id: a, rule: ''}]", ["bad-value"]),
        ("constitution: 1\nprinciples: [{id: a, rule: b, weight: heavy}]", ["wrong-shape"]),
        ("constitution: 1\nprinciples: [{id: a, rule: b, weight: true}]", ["wrong-shape"]),
        ("constitution: 1\ngroups: {g: {priority: 0}}\nprinciples: [{id: a, rule: b}]", ["bad-value"]),
        ("constitution: 1\ngroups: {g: {wieght: 0}}\nprinciples: [{id: a, rule: b}]", ["unknown-key"]),
        ("constitution: 1\nprinciples: [{id: a, rule: b, examples: [{prompt: p}]}]", ["missing-key"]),
        ("constitution: 1\nprinciples: [{id: a, rule: b, examples: [p]}]", ["wrong-shape"]),
        ("constitution: 1\nprinciples: [{id: a, rule: b}, {id: a, rule: c}, {id: a, rule: d}]", ["duplicate-id"] * 2),
    ],
)
def test_every_mistake_is_named(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("constitution: 1\nprinciples:\n  - {id: A, rule: b}\n  - {id: c}\n  - {rule: d, weight: -1}\n")
    with pytest.raises(SpecError) as caught:
        read_constitution(path)
    assert {d.code for d in caught.value.diagnostics} == {"bad-name", "missing-text", "missing-key", "bad-value"}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        read_constitution(tmp_path / "gone.yaml")
    assert caught.value.diagnostics[0].code == "unreadable"


@given(st.lists(st.sampled_from(FULL.split("\n")), max_size=25))
def test_any_lines_give_a_constitution_or_diagnostics(lines: list[str]) -> None:
    findings = Findings()
    found = read_source_text(Source("c.yaml", "\n".join(lines), Path()), None, findings)
    assert found is not None or findings.diagnostics


def test_the_empty_constitution_is_empty() -> None:
    assert list(Constitution.empty()) == []


def test_provenance_is_read_and_changes_no_prompt():
    text = (
        "constitution: 1\nprinciples:\n  - id: kind\n    rule: Be kind.\n    about: Statement 12.\n"
        "    support:\n      a: {agrees: 3, disagrees: 1, votes: 5}\n      b: {agrees: 0, disagrees: 0, votes: 0}\n"
    )
    (principle,) = read(text)
    assert principle.about == "Statement 12."
    assert principle.support == {"a": Support(3, 1, 5), "b": Support(0, 0, 0)}
    (bare,) = read("constitution: 1\nprinciples:\n  - {id: kind, rule: Be kind.}\n")
    assert principle.digest() == bare.digest()
    assert len({principle, bare}) == 2


def test_a_list_of_sentences_is_told_how_a_principle_is_written():
    findings = Findings()
    read_source_text(Source("c.yaml", "constitution: 1\nprinciples:\n  - Be kind.\n", Path()), None, findings)
    (found,) = findings.diagnostics
    assert found.help == "write `- {id: a-short-name, rule: ...}`"


@pytest.mark.parametrize(
    ("support", "said"),
    [
        ("{a: {agrees: 3, disagrees: 3, votes: 5}}", "3 agree and 3 disagree, but there are 5 votes"),
        ("{a: {agrees: 3, votes: 5}}", "lacks `disagrees`"),
        ("{a: {agrees: -1, disagrees: 0, votes: 5}}", "at least 0"),
        ("{a: {agrees: 1, disagrees: 0, votes: 5, vote: 1}}", "no key `vote`"),
        ("[a]", "must be a mapping"),
        ("{A B: {agrees: 1, disagrees: 0, votes: 5}}", "cannot be the name"),
    ],
)
def test_support_that_cannot_be_is_reported(support, said):
    findings = Findings()
    text = f"constitution: 1\nprinciples:\n  - {{id: kind, rule: Be kind., support: {support}}}\n"
    read_source_text(Source("c.yaml", text, Path()), None, findings)
    assert any(said in found.message for found in findings.diagnostics)
