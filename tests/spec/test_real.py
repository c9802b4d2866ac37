"""The spec in the repository, with the stages in the box."""

from __future__ import annotations

from pathlib import Path

import pytest

from constitutional.plugins import Registry
from constitutional.spec.check import check, load
from constitutional.spec.schema import schema
from constitutional.spec.show import show
from constitutional.spec.yamltree import parse, plain, read_source

SPEC = Path(__file__).parents[2] / "specs" / "support-agent.yaml"


def test_the_spec_in_the_repository_is_right() -> None:
    assert check(load(SPEC), Registry()) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("stages.rl_cai.with.beta=-1", "parameter"),
        ("stages.rl_cai.with.bta=1", "unknown-parameter"),
        ("stages.votes.pairs=draft", "wrong-type"),
        ("stages.votes.labeller=multiple-choise", "unknown-implementation"),
        ("stages.improve.stages.critique.with.template=critique/bai", "template"),
        ("stages.result.require={rl_cai.unsafe: {max: 1}}", "unknown-figure"),
        ("data.attacks.path=data/atacks.jsonl", "missing-file"),
        ("stages.draft.prompts=prompts.supervize", "unknown-output"),
    ],
)
def test_a_mistake_in_it_is_one_mistake(said: str, expected: str) -> None:
    assert [d.code for d in check(load(SPEC, [said]), Registry())] == [expected]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("{lora: {r: 4}, trainer_args: {adam_beta: 1}}", "adam_beta"),
        ("{lora: {r: 4}, report_to: [tensorbord]}", "report_to"),
        ("{beta: 0.2, flip_rate: 0.1}", "{beta: 0.2, flip_rate: 0.1}"),
    ],
)
def test_what_a_stage_says_of_a_parameter_points_at_it(said: str, place: str) -> None:
    (found,) = check(load(SPEC, [f"stages.rl_cai.with={said}"]), Registry())
    assert found.span.source.text[found.span.column - 1 : found.span.end_column - 1] == place, found.message


def test_it_can_be_shown_and_read_again(tmp_path: Path) -> None:
    spec = load(SPEC)
    path = SPEC.with_name("shown.tmp.yml")
    try:
        path.write_text(show(spec))
        assert plain(load(path).tree) == plain(spec.tree)
    finally:
        path.unlink()


def test_the_schema_accepts_it() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    source = read_source(SPEC)
    assert not hasattr(source, "code")
    node, _ = parse(source)  # type: ignore[arg-type]
    assert node is not None
    made = schema(Registry())
    jsonschema.Draft7Validator.check_schema(made)
    assert [e.message for e in jsonschema.Draft7Validator(made).iter_errors(plain(node))] == []
