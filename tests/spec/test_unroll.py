"""`repeat` and stage-level `matrix`."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.errors import SpecError
from constitutional.plan.unroll import unroll
from constitutional.spec.check import load
from constitutional.spec.model import StageSpec
from tests.spec.fixtures import FOLDER
from tests.spec.specs import HEAD, look, write


def refs(stage: StageSpec) -> dict[str, list[str]]:
    return {port: [str(ref) for ref in value.refs] for port, value in stage.ports.items()}


def test_rounds_read_the_round_before() -> None:
    flat = unroll(load(FOLDER / "data" / "good.yaml"))
    assert refs(flat["improve.1.critique"]) == {"model": ["judge"], "responses": ["draft"]}
    assert refs(flat["improve.1.revise"]) == {"model": ["agent"], "critiques": ["improve.1.critique"]}
    assert refs(flat["improve.2.critique"]) == {"model": ["judge"], "responses": ["improve.1.revise"]}
    assert refs(flat["sl_cai"])["demonstrations"] == ["improve.2.revise", "everyday"]


def test_more_rounds_leave_the_first_ones_alone(tmp_path: Path) -> None:
    path = FOLDER / "data" / "good.yaml"
    two, five = unroll(load(path)), unroll(load(path, ["stages.improve.repeat=5"]))
    for name in two:
        if name.startswith("improve."):
            assert refs(two[name]) == refs(five[name])
    assert refs(five["sl_cai"])["demonstrations"][0] == "improve.5.revise"


GROUP = """\
  draft: {{generator: sample, model: agent, prompts: rows}}
  improve:
    repeat: 2
    from: draft
    {result}
    stages:
      a: {{generator: sample, model: agent, prompts: previous}}
      b: {{generator: sample, model: agent, prompts: previous}}
  after: {{generator: sample, model: agent, prompts: [improve, improve.1, improve.1.b]}}
"""


def test_result_says_which_end_goes_on(tmp_path: Path) -> None:
    flat = unroll(load(write(tmp_path, HEAD + GROUP.format(result="result: a"))))
    assert refs(flat["after"])["prompts"] == ["improve.2.a", "improve.1.a", "improve.1.b"]
    assert refs(flat["improve.2.b"])["prompts"] == ["improve.1.a"]


def test_several_ends_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        unroll(load(write(tmp_path, HEAD + GROUP.format(result=""))))


MATRIX = (
    HEAD
    + """\
  draft: {generator: sample, model: agent, prompts: rows}
  tuned:
    trainer: sft
    model: agent
    demonstrations: draft
    matrix: {with.epochs: [1, 2]}
  policy: {trainer: dpo, model: tuned, preferences: prefs, matrix: {with.beta: [0.05, 1e-1], with.loss: [ipo]}}
  more: {generator: sample, model: policy, prompts: rows}
  result:
    evaluator: harmlessness
    models: {start: agent, tuned: tuned, best: "policy[epochs=2,beta=0.05,loss=ipo]"}
    prompts: rows
    require: {tuned.unsafe_rate: {max: 0.5}, start.over_refusal: {max: 1}}
"""
)


def test_a_matrix_copies_the_stage_and_all_that_reads_it(tmp_path: Path) -> None:
    found = look(write(tmp_path, MATRIX)).stages
    assert [name for name in found if name.startswith("tuned")] == ["tuned[epochs=1]", "tuned[epochs=2]"]
    assert [name for name in found if name.startswith("policy")] == [
        "policy[epochs=1,beta=0.05,loss=ipo]",
        "policy[epochs=1,beta=1e-1,loss=ipo]",
        "policy[epochs=2,beta=0.05,loss=ipo]",
        "policy[epochs=2,beta=1e-1,loss=ipo]",
    ]
    assert len([name for name in found if name.startswith("more[")]) == 4
    assert found["policy[epochs=2,beta=1e-1,loss=ipo]"].params.model_dump()["beta"] == 0.1
    assert found["policy[epochs=2,beta=1e-1,loss=ipo]"].inputs["model"][0].target == "tuned[epochs=2]"
    assert found["tuned[epochs=2]"].params.model_dump()["epochs"] == 2


def test_labels_collect_all_cells(tmp_path: Path) -> None:
    result = look(write(tmp_path, MATRIX)).stages["result"]
    assert [(e.label, e.target) for e in result.inputs["models"]] == [
        ("start", "agent"),
        ("tuned[epochs=1]", "tuned[epochs=1]"),
        ("tuned[epochs=2]", "tuned[epochs=2]"),
        ("best", "policy[epochs=2,beta=0.05,loss=ipo]"),
    ]
    assert list(result.spec.require) == [
        "tuned[epochs=1].unsafe_rate",
        "tuned[epochs=2].unsafe_rate",
        "start.over_refusal",
    ]


def test_a_matrix_may_try_names(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEAD + "  draft: {generator: sample, model: agent, prompts: rows, matrix: {prompts: [rows, rows]}}\n"
    )
    assert list(look(path).stages) == ["draft[prompts=rows]", "draft[prompts=rows~2]"]


def test_the_order_is_always_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, MATRIX)
    assert list(unroll(load(path))) == list(unroll(load(path)))


def draft(name: str, matrix: str, prompts: str = "rows") -> str:
    return f"  {name}: {{generator: sample, model: agent, prompts: {prompts}, matrix: {{{matrix}}}}}\n"


def tried(path: str, count: int) -> str:
    return f"{path}: [{', '.join(['1'] * count)}]"


BOMBS = {
    "one": draft("s", f"{tried('with.temperature', 100)}, {tried('with.max_new_tokens', 100)}"),
    "many": "".join(draft(f"s{i}", tried("with.temperature", 90)) for i in range(40)),
    "chained": "".join(draft(f"s{i}", tried("with.temperature", 2), f"s{i - 1}" if i else "rows") for i in range(40)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_combinations_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecError) as caught:
        look(write(tmp_path, HEAD + BOMBS[name]))
    assert caught.value.diagnostics[0].code == "matrix"
