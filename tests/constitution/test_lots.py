"""Drawing group by group and in order of priority: shares, order, and how little an edit moves."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from constitutional.cli.run import run
from constitutional.constitution.draw import draw
from constitutional.constitution.model import Constitution, DrawMode, Group, Principle
from constitutional.store.folder import Store
from constitutional.store.lineage import choose_run, rows, tables
from tests.stages_support import principle

MODES: list[DrawMode] = ["weight", "group", "priority"]


def constitution(*principles: tuple[str, str, float], **groups: tuple[float, int]) -> Constitution:
    made = {name: Group(name, weight, priority) for name, (weight, priority) in groups.items()}
    return Constitution(
        "c", tuple(principle(id, group=group, weight=w * made[group].weight) for id, group, w in principles), made
    )


TWO = constitution(("a1", "a", 1), ("a2", "a", 1), ("a3", "a", 2), ("b1", "b", 1), a=(1, 2), b=(1, 1))


def test_groups_are_drawn_by_their_own_weights_however_many_principles_they_have() -> None:
    weighted = constitution(("a1", "a", 1), ("a2", "a", 3), ("b1", "b", 1), a=(1, 1), b=(3, 1))
    n = 8_000
    counts = Counter(draw(weighted.select(draw="group"), 17, f"row{i}")[0].id for i in range(n))
    expected = [n * share for share in (0.25 * 0.25, 0.25 * 0.75, 0.75)]
    assert chisquare([counts[id] for id in ("a1", "a2", "b1")], expected).pvalue > 0.001


def test_several_draws_take_one_of_each_group_first() -> None:
    for i in range(200):
        drawn = draw(TWO.select(draw="group"), 1, f"row{i}", k=4)
        assert {p.group for p in drawn[:2]} == {"a", "b"}
        assert len({p.id for p in drawn}) == 4


def test_priority_comes_before_weight() -> None:
    firsts = Counter()
    for i in range(300):
        drawn = [p.id for p in draw(TWO.select(draw="priority"), 1, f"row{i}", k=4)]
        assert drawn[0] == "b1"
        firsts[drawn[1]] += 1
    assert set(firsts) == {"a1", "a2", "a3"}
    assert firsts["a3"] > firsts["a1"]


def test_rounds_go_down_the_order_of_priority_without_repeating() -> None:
    for i in range(100):
        met = [draw(TWO.select(draw="priority"), 1, f"row{i}", round)[0].id for round in range(4)]
        assert met[0] == "b1"
        assert sorted(met) == ["a1", "a2", "a3", "b1"]
        assert draw(TWO.select(draw="priority"), 1, f"row{i}", 4)[0].id == "b1"


@pytest.mark.parametrize("mode", MODES)
def test_what_is_drawn_twice_is_drawn_alike_in_any_order(mode: DrawMode) -> None:
    among = TWO.select(draw=mode)
    for i in range(50):
        assert draw(among, 3, f"r{i}", 1, 3) == draw(among[::-1], 3, f"r{i}", 1, 3)


@given(
    st.sampled_from(MODES),
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5)), min_size=1, max_size=8),
    st.integers(0, 9),
    st.integers(0, 5),
)
def test_any_draw_has_the_size_and_no_doubles(
    mode: DrawMode, given_: list[tuple[str, float]], k: int, round: int
) -> None:
    groups = {"a": (1.0, 2), "b": (2.0, 1), "c": (0.5, 3)}
    whole = constitution(*((f"p{n}", group, weight) for n, (group, weight) in enumerate(given_)), **groups)
    drawable = [p for p in whole.select(draw=mode) if p.weight > 0]
    if drawable:
        drawn = draw(whole.select(draw=mode), 1, "row", round, k)
        assert len(drawn) == min(k, len(drawable))
        assert len({p.id for p in drawn}) == len(drawn)
        assert {p.id for p in drawn} <= {p.id for p in drawable}


def test_a_new_principle_moves_only_rows_of_its_group() -> None:
    more = constitution(
        ("a1", "a", 1), ("a2", "a", 1), ("a3", "a", 2), ("b1", "b", 1), ("b2", "b", 1), a=(1, 2), b=(1, 1)
    )
    for i in range(300):
        before = draw(TWO.select(draw="group"), 1, f"row{i}")[0]
        after = draw(more.select(draw="group"), 1, f"row{i}")[0]
        assert before.group == after.group
        assert after.id in (before.id, "b2")


def test_only_what_a_mode_needs_enters_the_fingerprint() -> None:
    other = constitution(("a1", "a", 1), ("a2", "a", 1), ("a3", "a", 2), ("b1", "b", 1), a=(1, 3), b=(1, 1))

    def marks(whole: Constitution, mode: DrawMode) -> list[tuple[str, float]]:
        return [(p.digest(), p.weight) for p in whole.select(draw=mode)]

    assert marks(TWO, "weight") == marks(other, "weight") == [(p.digest(), p.weight) for p in TWO]
    assert marks(TWO, "group") == marks(other, "group") != marks(TWO, "weight")
    assert marks(TWO, "priority") != marks(other, "priority")


# -- a run -------------------------------------------------------------------------------------------------------------

RULES = """\
constitution: 1
groups:
  safety: {priority: 1}
  service: {weight: 3, priority: 2}
principles:
  - {id: harmless, group: safety, rule: Do no harm.}
  - {id: private, group: safety, rule: Keep secrets.}
  - {id: kind, group: service, rule: Be kind.}
  - {id: short, group: service, rule: Be short.}
"""
SPEC = """
constitutional: 1
name: lots
constitution: rules.yaml
models:
  m: {backend: scripted, rules: [{when: Critique, say: 'It could be better.'}, {when: Revision, say: Better.}, {say: Go.}]}
data: {prompts: {source: jsonl, path: prompts.jsonl}}
stages:
  draft: {generator: sample, model: m, prompts: prompts}
  improve:
    repeat: 2
    from: draft
    stages:
      critique: {critic: principle, model: m, responses: previous, with: {draw: MODE}}
      revise: {reviser: rewrite, model: m, critiques: critique}
"""


@pytest.mark.parametrize("mode", ["group", "priority"])
def test_an_edit_asks_again_only_for_the_rows_that_drew_the_principle(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"question {n}"}) + "\n" for n in range(60)))
    (tmp_path / "spec.yaml").write_text(SPEC.replace("MODE", mode))
    (tmp_path / "rules.yaml").write_text(RULES)
    first = _run()
    met = Counter(row["principle"] for row in first)
    assert met["harmless"] + met["private"] == 60 if mode == "priority" else 0 < met["harmless"] + met["private"] < 30
    (tmp_path / "rules.yaml").write_text(RULES.replace("Do no harm.", "Do no harm at all."))
    second = _run()
    assert [row["principle"] for row in first] == [row["principle"] for row in second]
    finished = [
        e
        for e in map(json.loads, (tmp_path / "runs/lots/events.jsonl").read_text().splitlines())
        if e["type"] == "step_finished"
    ]
    again = [e for e in finished if e["step"] == "improve.1.critique"][-1]
    assert again["calls"] - again["calls_reused"] == met["harmless"] > 0


def _run() -> list[dict]:
    assert CliRunner().invoke(run, ["spec.yaml"], standalone_mode=False, catch_exceptions=False).return_value == 0
    known = tables(choose_run(Store(Path("runs")), "lots"))
    return [dict(row) for table in known if table.name == "improve.1.critique" for row in rows(table)]


def test_a_principle_without_a_group_entry_counts_as_one() -> None:
    lone = Constitution("c", (Principle("a", "r", "c", "r", "c"),))
    assert draw(lone.select(draw="priority"), 1, "row")[0].id == "a"
