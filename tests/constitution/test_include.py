"""Constitutions that include others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constitutional.constitution import include
from constitutional.constitution.model import Constitution
from constitutional.constitution.read import read_constitution
from constitutional.errors import SpecError

CORE = """\
constitution: 1
name: core
groups: {safety: {weight: 2, priority: 1}}
principles:
  - {id: harmless, group: safety, core: true, rule: Do no harm.}
  - {id: polite, rule: Be polite.}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("constitution") else f"constitution: 1\n{text}")
    return folder


def codes(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_constitution(path)
    return [found.code for found in caught.value.diagnostics]


def ids(found: Constitution) -> list[str]:
    return [p.id for p in found]


def test_included_principles_come_first_and_may_be_joined(tmp_path: Path) -> None:
    write(
        tmp_path,
        core=CORE,
        local="include: [core.yaml]\nname: local\nprinciples: [{id: kind, group: safety, rule: Be kind.}]\n",
    )
    found = read_constitution(tmp_path / "local.yaml")
    assert (found.name, ids(found)) == ("local", ["harmless", "polite", "kind"])
    assert [p.weight for p in found] == [2.0, 1.0, 2.0]
    assert found.at("polite").source.name.endswith("core.yaml")
    assert found["harmless"].core


def test_a_principle_keeps_its_digest_when_it_moves_to_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, core=CORE, local="include: [core.yaml]\n")
    alone, included = read_constitution(tmp_path / "core.yaml"), read_constitution(tmp_path / "local.yaml")
    assert [(p.id, p.digest(), p.weight) for p in alone] == [(p.id, p.digest(), p.weight) for p in included]


def test_an_override_replaces_in_place(tmp_path: Path) -> None:
    write(
        tmp_path,
        core=CORE,
        local="include: [core.yaml]\nprinciples: [{id: polite, override: true, rule: Be very polite.}]\n",
    )
    found = read_constitution(tmp_path / "local.yaml")
    assert ids(found) == ["harmless", "polite"]
    assert found["polite"].rule == "Be very polite."


def test_three_tiers(tmp_path: Path) -> None:
    """What a middle tier makes core, the outermost cannot undo; what it overrides stays overridden."""
    middle = "include: [core.yaml]\nprinciples: [{id: polite, override: true, core: true, rule: Be formal.}]\n"
    write(
        tmp_path,
        core=CORE,
        middle=middle,
        outer="include: [middle.yaml]\nprinciples: [{id: polite, override: true, rule: Be rude.}]\n",
    )
    assert codes(tmp_path / "outer.yaml") == ["core-principle"]
    write(tmp_path, outer="include: [core.yaml, middle.yaml]\n", turned="include: [middle.yaml, core.yaml]\n")
    for name in ("outer", "turned"):
        assert read_constitution(tmp_path / f"{name}.yaml")["polite"].rule == "Be formal."


def test_a_file_reached_by_two_ways_counts_once(tmp_path: Path) -> None:
    write(tmp_path, core=CORE, a="include: [core.yaml]\nprinciples: [{id: a, group: safety, rule: A.}]\n",
          b="include: [./core.yaml]\nprinciples: [{id: b, group: safety, rule: B.}]\n", top="include: [a.yaml, b.yaml]\n")  # fmt: skip
    assert ids(read_constitution(tmp_path / "top.yaml")) == ["harmless", "polite", "a", "b"]


def test_two_files_beside_each_other_may_not_have_one_id(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="principles: [{id: a, rule: A.}]\n",
        b="principles: [{id: a, override: true, rule: B.}]\n",
        top="include: [a.yaml, b.yaml]\n",
    )
    assert set(codes(tmp_path / "top.yaml")) == {"include", "duplicate-id"}


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    write(tmp_path, deep__core=CORE, deep__middle="include: [core.yaml]\n", top="include: [deep/middle.yaml]\n")
    assert ids(read_constitution(tmp_path / "top.yaml")) == ["harmless", "polite"]


def test_links_and_circles_end(tmp_path: Path) -> None:
    write(tmp_path, a="include: [b.yaml]\n", b="include: [link.yaml]\n")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "a.yaml")
    assert codes(tmp_path / "a.yaml") == ["include"]


def test_there_are_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = {f"c{n}": f"include: [c{n + 1}.yaml]\n" for n in range(include.MAX_CHAIN)}
    write(tmp_path, **chain, **{f"c{include.MAX_CHAIN}": "principles: [{id: a, rule: A.}]\n"})
    assert codes(tmp_path / "c0.yaml") == ["include"]
    assert ids(read_constitution(tmp_path / "c1.yaml")) == ["a"]
    many = {f"f{n}": f"principles: [{{id: p{n}, rule: A.}}]\n" for n in range(include.MAX_FILES)}
    write(tmp_path, **many, wide=f"include: [{', '.join(f'{name}.yaml' for name in many)}]\n")
    assert codes(tmp_path / "wide.yaml") == ["include"]
    monkeypatch.setattr(include, "MAX_PRINCIPLES", 2)
    write(tmp_path, three="principles: [{id: a, rule: A.}, {id: b, rule: A.}, {id: c, rule: A.}]\n")
    assert codes(tmp_path / "three.yaml") == ["include"]


def test_mistakes_of_an_included_file_are_told_in_its_own_place(tmp_path: Path) -> None:
    write(tmp_path, bad="principles: [{id: A, rule: A.}]\n", top="include: [bad.yaml]\n")
    with pytest.raises(SpecError) as caught:
        read_constitution(tmp_path / "top.yaml")
    (found,) = caught.value.diagnostics
    assert (found.code, Path(found.span.source.name).name) == ("bad-name", "bad.yaml")


def test_groups_of_included_files_are_known_and_described_once(tmp_path: Path) -> None:
    plain = "groups: {tone: {weight: 3}}\nprinciples: [{id: a, group: tone, rule: A.}]\n"
    write(tmp_path, plain=plain, typo="include: [plain.yaml]\nprinciples: [{id: b, group: tona, rule: B.}]\n",
          twice="include: [plain.yaml]\ngroups: {tone: {weight: 5}}\n")  # fmt: skip
    assert codes(tmp_path / "typo.yaml") == ["unknown-name"]
    assert codes(tmp_path / "twice.yaml") == ["duplicate-key"]


def test_ignores_of_an_included_file_hold_for_its_principles_alone(tmp_path: Path) -> None:
    inner = "ignore: {thin-coverage: Why.}\nprinciples: [{id: a, rule: A., ignore: {no-examples: Why.}}]\n"
    write(tmp_path, inner=inner, top="include: [inner.yaml]\n")
    assert read_constitution(tmp_path / "top.yaml").ignored == {"a": {"no-examples": "Why."}}


@settings(max_examples=60, deadline=None)
@given(edges=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10))
def test_any_graph_of_includes_gives_each_principle_once_or_an_error(
    edges: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    for n in range(5):
        named = ", ".join(f"f{b}.yaml" for a, b in dict.fromkeys(edges) if a == n)
        write(folder, **{f"f{n}": f"include: [{named}]\nprinciples: [{{id: p{n}, rule: A.}}]\n"})
    try:
        found = ids(read_constitution(folder / "f0.yaml"))
    except SpecError as error:
        assert {d.code for d in error.diagnostics} == {"include"}
        return
    reached, waiting = set(), [0]
    while waiting:
        at = waiting.pop()
        waiting += [b for a, b in edges if a == at and b not in reached]
        reached.add(at)
    assert sorted(found) == sorted({f"p{n}" for n in reached})
